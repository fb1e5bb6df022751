using Microsoft.Extensions.Logging;

namespace Jobs.Transactions;

/// <summary>The log lines of this room about Postgres as a participant. Event ids 2150 to 2199.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2150, LogLevel.Information, "Participant database {Database} can prepare: max_prepared_transactions is {Most}, of which {Prepared} are taken")]
    public static partial void ParticipantReady(this ILogger log, string database, int most, int prepared);

    [LoggerMessage(2151, LogLevel.Warning, "Participant database {Database} could not be looked at; that is tried again when it is needed: {Error}")]
    public static partial void ParticipantNotReady(this ILogger log, string database, string error);

    [LoggerMessage(2152, LogLevel.Information, "{Gid} was to be prepared after its abort; that was refused")]
    public static partial void PrepareRefused(this ILogger log, string gid);

    [LoggerMessage(2153, LogLevel.Error, "{Gid} cannot be prepared: {Error}. It is tried again a few times, then the branch votes no. Raise max_prepared_transactions in postgresql.conf and restart Postgres, or end what nobody ends in pg_prepared_xacts")]
    public static partial void NoRoomToPrepare(this ILogger log, string gid, string error);

    [LoggerMessage(2154, LogLevel.Critical, "{Gid} is to be committed and is not prepared: {Found} in this database. Its work has to be repaired by hand")]
    public static partial void BranchLost(this ILogger log, string gid, string found);

    [LoggerMessage(2155, LogLevel.Critical, "{Gid} is to be aborted and was committed by somebody. Its work has to be undone by hand")]
    public static partial void BranchCommitted(this ILogger log, string gid);

    [LoggerMessage(2160, LogLevel.Warning, "{Gid} of participant database {Database} was prepared {AgeSeconds:F0} s ago and nobody had ended it: the decision is {Decision}, it is {Done} now")]
    public static partial void Reaped(this ILogger log, string gid, string database, double ageSeconds, Decision decision, string done);

    [LoggerMessage(2161, LogLevel.Error, "{Count} transactions have been prepared in participant database {Database} for over {AlertSeconds:F0} s, the oldest for {OldestSeconds:F0} s: {Gid}. They hold their locks and keep vacuum from its work until they are decided")]
    public static partial void PreparedLong(this ILogger log, int count, string database, double alertSeconds, double oldestSeconds, string gid);

    [LoggerMessage(2162, LogLevel.Warning, "Prepared transactions of participant database {Database} could not be looked through (try {Try}), and will be again: {Error}")]
    public static partial void SweepFailed(this ILogger log, string database, int @try, string error);

    [LoggerMessage(2163, LogLevel.Warning, "{Gid} could not be ended, and will be tried again: {Error}")]
    public static partial void NotReaped(this ILogger log, string gid, string error);

    [LoggerMessage(2164, LogLevel.Debug, "{Count} ended branches were forgotten in participant database {Database}")]
    public static partial void BranchesForgotten(this ILogger log, int count, string database);
}
