using Microsoft.Extensions.Logging;

namespace Jobs.Coordination;

/// <summary>Every log line of this room. Event ids 1200 to 1299.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1200, LogLevel.Information, "Session {Session} opened for {Roles}")]
    public static partial void SessionOpened(this ILogger log, Guid session, string roles);

    [LoggerMessage(1201, LogLevel.Error, "Session {Session} was ended by others: this process was taken for dead. What it ran is run elsewhere; running handlers are cancelled and a new session is opened")]
    public static partial void SessionLost(this ILogger log, Guid session);

    [LoggerMessage(1202, LogLevel.Warning, "The heartbeat did not reach Postgres (try {Try}), trying again: {Error}")]
    public static partial void HeartbeatMissed(this ILogger log, int @try, string error);

    [LoggerMessage(1203, LogLevel.Warning, "RabbitMQ cannot be reached at start: {Error}. Enqueued jobs are safe in Postgres and are dispatched once it is there")]
    public static partial void BrokerAbsentAtStart(this ILogger log, string error);

    [LoggerMessage(1204, LogLevel.Warning, "Closing session {Session} did not work; others will notice that it is gone: {Error}")]
    public static partial void SessionNotClosed(this ILogger log, Guid session, string error);

    [LoggerMessage(1205, LogLevel.Warning, "Those that wait for {Jobs} ended jobs, and {Batches} batches, were not told of the end; the scheduler does it: {Error}")]
    public static partial void FollowersNotTold(this ILogger log, int jobs, int batches, string error);

    [LoggerMessage(1206, LogLevel.Error, "Hearing the signal \"{Word}\" met an unexpected error; what it is about is read again with the heartbeat")]
    public static partial void SignalFailed(this ILogger log, string word, Exception error);

    [LoggerMessage(1207, LogLevel.Warning, "Those that wait at {Gates} gates of limits were not admitted; the scheduler does it: {Error}")]
    public static partial void NotAdmitted(this ILogger log, int gates, string error);

    [LoggerMessage(1220, LogLevel.Information, "The limit \"{Limit}\" was set as {Origin} declares it")]
    public static partial void LimitDeclared(this ILogger log, string limit, string origin);

    [LoggerMessage(1221, LogLevel.Information, "The limit \"{Limit}\" stays as an operator has set it, whatever {Origin} declares")]
    public static partial void LimitOverridden(this ILogger log, string limit, string origin);

    [LoggerMessage(1222, LogLevel.Error, "The limits of the reloaded configuration were not set; those before stay: {Error}")]
    public static partial void LimitsNotReloaded(this ILogger log, string error);
}
