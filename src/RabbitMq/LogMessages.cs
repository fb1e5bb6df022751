using Microsoft.Extensions.Logging;

namespace Jobs.RabbitMq;

/// <summary>Every log line of this room. Event ids 1100 to 1199.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1100, LogLevel.Information, "RabbitMQ {Version} at {Host}:{Port}: connected to {Purpose}")]
    public static partial void Connected(this ILogger log, string version, string host, int port, string purpose);

    [LoggerMessage(1101, LogLevel.Warning, "RabbitMQ cannot be reached to {Purpose} (try {Try}), trying again: {Error}")]
    public static partial void NotConnected(this ILogger log, string purpose, int @try, string error);

    [LoggerMessage(1102, LogLevel.Warning, "The channel to publish tickets was given up ({Reason}); {Count} tickets without a confirm are published again")]
    public static partial void PublisherBroken(this ILogger log, string reason, int count);

    [LoggerMessage(1103, LogLevel.Warning, "{Count} tickets were not published: the broker does not take them. Their jobs are safe in Postgres and are dispatched once it does")]
    public static partial void TicketsDropped(this ILogger log, long count);

    [LoggerMessage(1104, LogLevel.Error, "Tickets for queue {Queue} cannot be published until the next connection: {Error}")]
    public static partial void QueueRefused(this ILogger log, string queue, string error);

    [LoggerMessage(1105, LogLevel.Warning, "Consuming {Queue} stopped ({Reason}); starting again")]
    public static partial void ConsumerBroken(this ILogger log, string queue, string reason);

    [LoggerMessage(1106, LogLevel.Warning, "{Count} messages in {Queue} are not tickets and were moved to {Malformed}; the first: {Reason}")]
    public static partial void Malformed(this ILogger log, int count, string queue, string malformed, string reason);

    [LoggerMessage(1107, LogLevel.Warning, "{What} did not work and is ignored: {Error}")]
    public static partial void Ignored(this ILogger log, string what, string error);
}
