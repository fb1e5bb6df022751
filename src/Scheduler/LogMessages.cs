using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>Every log line of this room. Event ids 1500 to 1599.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1500, LogLevel.Information, "This scheduler leads now (epoch {Epoch})")]
    public static partial void Leading(this ILogger log, long epoch);

    [LoggerMessage(1501, LogLevel.Warning, "This scheduler no longer leads (epoch {Epoch})")]
    public static partial void NotLeading(this ILogger log, long epoch);

    [LoggerMessage(1502, LogLevel.Warning, "{Service} met an error (try {Try}) and goes on: {Error}")]
    public static partial void ServiceRetries(this ILogger log, string service, int @try, string error);

    [LoggerMessage(1503, LogLevel.Error, "{Service} met an unexpected error (try {Try}) and goes on")]
    public static partial void ServiceFailed(this ILogger log, string service, int @try, Exception error);

    [LoggerMessage(1510, LogLevel.Warning, "Session {Session} of {Host}, process {ProcessId}, is dead ({Sign}, last heartbeat {HeartbeatAge:F1} s ago)")]
    public static partial void SessionDead(this ILogger log, Guid session, string host, int processId, string sign, double heartbeatAge);

    [LoggerMessage(1511, LogLevel.Warning, "{Count} jobs of dead sessions were returned to their queues")]
    public static partial void Rescued(this ILogger log, int count);

    [LoggerMessage(1512, LogLevel.Error, "Job {JobId} ({Type}) is poison: its worker died {Times} times while it ran. It has failed")]
    public static partial void Poison(this ILogger log, JobId jobId, string type, int times);

    [LoggerMessage(1520, LogLevel.Warning, "{Count} tickets of queue {Queue} were lost; they have been sent again")]
    public static partial void TicketsSentAgain(this ILogger log, int count, string queue);

    [LoggerMessage(1530, LogLevel.Information, "Retention: {Command}")]
    public static partial void Retired(this ILogger log, string command);

    [LoggerMessage(1540, LogLevel.Warning, "Schedule {Schedule}: {Skipped} occurrences were skipped, {Enqueued} enqueued ({Reason})")]
    public static partial void OccurrencesSkipped(this ILogger log, string schedule, long skipped, int enqueued, string reason);

    [LoggerMessage(1541, LogLevel.Error, "Schedule {Schedule} cannot be recorded, and is tried again; the others go on")]
    public static partial void ScheduleFailed(this ILogger log, string schedule, Exception error);

    [LoggerMessage(1542, LogLevel.Information, "Quartz fires for {Count} schedules")]
    public static partial void QuartzStarted(this ILogger log, long count);

    [LoggerMessage(1543, LogLevel.Warning, "Quartz is not to be had (try {Try}); occurrences are up to 3 s late meanwhile: {Error}")]
    public static partial void QuartzFailed(this ILogger log, int @try, string error);

    [LoggerMessage(1544, LogLevel.Information, "Triggers: {Added} added, {Removed} removed")]
    public static partial void TriggersChanged(this ILogger log, int added, int removed);

    [LoggerMessage(1545, LogLevel.Information, "Schedule {Schedule} is defined by code as {When}; it is new or has changed")]
    public static partial void ScheduleDefined(this ILogger log, string schedule, string when);

    [LoggerMessage(1546, LogLevel.Warning, "Schedule {Schedule} was not recorded when Quartz fired; the sweep does it: {Error}")]
    public static partial void FiringFailed(this ILogger log, string schedule, string error);

    [LoggerMessage(1547, LogLevel.Error, "Schedule {Schedule} cannot be defined as the code says: {Error}")]
    public static partial void ScheduleNotDefined(this ILogger log, string schedule, string error);

    [LoggerMessage(1550, LogLevel.Information, "{Count} jobs expired while they waited")]
    public static partial void Expired(this ILogger log, int count);

    [LoggerMessage(1551, LogLevel.Debug, "Those that wait for {Count} ended jobs were told of the end by the sweep: nobody else had, or not yet")]
    public static partial void ToldAgain(this ILogger log, int count);

    [LoggerMessage(1560, LogLevel.Information, "{Count} jobs that were to be cancelled while they ran, and wait again, have been cancelled")]
    public static partial void CancelledWaiting(this ILogger log, int count);

    [LoggerMessage(1561, LogLevel.Debug, "{Count} waiting jobs of queue {Queue} have gained a level of priority")]
    public static partial void Aged(this ILogger log, int count, string queue);

    [LoggerMessage(1562, LogLevel.Debug, "{Count} gates of limits at which nothing happens any more were forgotten")]
    public static partial void GatesForgotten(this ILogger log, int count);

    [LoggerMessage(1563, LogLevel.Debug, "What waited in queue {Queue} when it was made fair has its values")]
    public static partial void FairQueueFilled(this ILogger log, string queue);

    [LoggerMessage(1564, LogLevel.Debug, "{Count} queues that are fair no more have nothing left to serve in turn")]
    public static partial void FairnessForgotten(this ILogger log, int count);

    [LoggerMessage(1570, LogLevel.Error, "The audit found what should be impossible, {Finding}: {Count} jobs, the oldest since {Oldest}. `jobs doctor` says what to do")]
    public static partial void Found(this ILogger log, string finding, long count, DateTimeOffset? oldest);
}
