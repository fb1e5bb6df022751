namespace Jobs.Transactions;

/// <summary>What a participant said to what it was asked in a round. Sent before its job ends, so at least once. The call of that attempt (0: not known) of the job has returned.</summary>
internal sealed record BranchReported(Guid TransactionId, int Branch, int Round, Answer Answer, string? Reason, int Attempt = 0);

internal enum Answer
{
    /// <summary>Prepared, committed or aborted, as was asked.</summary>
    Done,
    /// <summary>A no.</summary>
    Refused,
    /// <summary>A no of the platform itself: the branch was not asked at all.</summary>
    Unfit,
    /// <summary>A step that threw as often as it may: what it has done is not known.</summary>
    Failed,
    /// <summary>Tried often enough; an operator has to look.</summary>
    Stuck,
}

/// <summary>Time to look at a transaction: is it overdue, was something lost?</summary>
internal sealed record TransactionTicked(Guid TransactionId);

/// <summary>An operator's order for parked branches. Reason null: try it again; else: it was done by hand, and how. Branch null: all of them. Round: what the branch counted when it was ordered; null: any.</summary>
internal sealed record TransactionOrdered(Guid TransactionId, int? Branch, string? Reason, int? Round = null);
