using Microsoft.Extensions.Logging;

namespace Jobs.Producer;

/// <summary>Every log line of this room. Event ids 1300 to 1399.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1300, LogLevel.Warning, "Enqueueing {Count} jobs did not get an answer (try {Try}), repeating it safely: {Error}")]
    public static partial void EnqueueRepeated(this ILogger log, int count, int @try, string error);

    [LoggerMessage(1301, LogLevel.Warning, "A statement that enqueued {Count} jobs together was refused, enqueueing each alone: {Error}")]
    public static partial void BatchSplit(this ILogger log, int count, string error);

    [LoggerMessage(1310, LogLevel.Warning, "Whether {Count} jobs that are waited for have ended could not be seen; it is looked at again in a second at the latest: {Error}")]
    public static partial void EndsNotFetched(this ILogger log, int count, string error);

    [LoggerMessage(1330, LogLevel.Information, "Jobs were {What}: {Done}; left as they were: {Left}. By {By}: {Reason}")]
    public static partial void Acted(this ILogger log, string what, long done, long left, string by, string reason);

    [LoggerMessage(1331, LogLevel.Information, "Transaction {Transaction}: {Verb} is ordered, branches: {Branches}. By {By}: {Reason}")]
    public static partial void Ordered(this ILogger log, Guid transaction, string verb, string branches, string by, string reason);

    [LoggerMessage(1340, LogLevel.Warning, "{Count} slots of limits were not given back; they are when this process's session ends: {Error}")]
    public static partial void SlotsNotGivenBack(this ILogger log, int count, string error);
}
