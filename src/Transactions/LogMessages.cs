using Microsoft.Extensions.Logging;

namespace Jobs.Transactions;

/// <summary>Every log line of this room. Event ids 2100 to 2199.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2100, LogLevel.Warning, "Branch {Branch} of transaction {Transaction} was asked to {Verb} and its job has ended without an answer; it is asked again")]
    public static partial void AskedAgain(this ILogger log, Guid transaction, int branch, Verb verb);

    [LoggerMessage(2101, LogLevel.Warning, "Transaction {Transaction} went on, but not all that hurries it could be sent; it goes on by itself: {Error}")]
    public static partial void HintsFailed(this ILogger log, Guid transaction, string error);

    [LoggerMessage(2102, LogLevel.Debug, "Branch {Branch} of transaction {Transaction}: a job of round {Round} has nothing to do any more")]
    public static partial void Stale(this ILogger log, Guid transaction, int branch, int round);

    [LoggerMessage(2103, LogLevel.Warning, "Branch {Branch} of transaction {Transaction} was tried {Attempts} times to {Verb}; {Answer} is reported: {Error}")]
    public static partial void GaveUp(this ILogger log, Guid transaction, int branch, int attempts, Verb verb, Answer answer, string error);

    [LoggerMessage(2104, LogLevel.Warning, "The bus of transactions has not started; it is tried again: {Error}")]
    public static partial void BusNotStarted(this ILogger log, string error);

    [LoggerMessage(2105, LogLevel.Warning, "Transaction {Transaction} is undecided at its deadline: it is aborted")]
    public static partial void Overdue(this ILogger log, Guid transaction);

    [LoggerMessage(2106, LogLevel.Warning, "No coordinator could be told of transaction {Transaction}; it is tried again: {Error}")]
    public static partial void NotTold(this ILogger log, Guid transaction, string error);

    [LoggerMessage(2107, LogLevel.Warning, "Those who wait for {Transactions} transactions that have ended were not told, and look by themselves: {Error}")]
    public static partial void EndsNotTold(this ILogger log, int transactions, string error);

    [LoggerMessage(2108, LogLevel.Information, "A turn of several messages about transaction {Transaction} has failed; each gets one of its own: {Error}")]
    public static partial void SharedTurnFailed(this ILogger log, Guid transaction, string error);
}
