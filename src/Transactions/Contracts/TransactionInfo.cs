namespace Jobs.Transactions;

/// <summary>How a transaction's branches are brought to one outcome.</summary>
public enum TransactionMode
{
    /// <summary>Prepare, decide, commit or abort.</summary>
    TwoPhase,
    /// <summary>Steps and compensations.</summary>
    Saga,
}

/// <summary>Where a transaction is. docs/TRANSACTIONS.md has the chart.</summary>
public enum TransactionState
{
    /// <summary>Undecided: its branches prepare, or its steps run.</summary>
    Running,
    /// <summary>Decided: its branches commit.</summary>
    Committing,
    /// <summary>Decided: its branches abort, or its steps are compensated.</summary>
    Aborting,
    /// <summary>Ended: all of it is done.</summary>
    Committed,
    /// <summary>Ended: nothing of it is left.</summary>
    Aborted,
    /// <summary>A branch waits for an operator: <see cref="ITransactions.RetryAsync"/> or <see cref="ITransactions.SettleAsync"/>.</summary>
    Parked,
}

/// <summary>Where a branch is.</summary>
public enum BranchState
{
    /// <summary>Its stage has not begun.</summary>
    Waiting,
    /// <summary>It was asked to prepare, or to run.</summary>
    Preparing,
    /// <summary>It has voted yes, or its step is done.</summary>
    Prepared,
    /// <summary>It has voted no, or its step has failed.</summary>
    Refused,
    /// <summary>It was asked to commit.</summary>
    Committing,
    /// <summary>It is committed.</summary>
    Committed,
    /// <summary>It was asked to abort, or to compensate.</summary>
    Aborting,
    /// <summary>Nothing of it is left.</summary>
    Aborted,
    /// <summary>It failed too often; an operator decides.</summary>
    Parked,
}

/// <summary>What is known about one transaction. Times are by the database clock.</summary>
public sealed record TransactionInfo
{
    /// <summary>Its id.</summary>
    public required TransactionId Id { get; init; }
    /// <summary>What kind of transaction it is.</summary>
    public required string Name { get; init; }
    /// <summary>Two phases or saga.</summary>
    public required TransactionMode Mode { get; init; }
    /// <summary>Where it is.</summary>
    public required TransactionState State { get; init; }
    /// <summary>True: commit was decided. False: abort was. Null: undecided.</summary>
    public bool? Commit { get; init; }
    /// <summary>Why it is aborted or parked.</summary>
    public string? Reason { get; init; }
    /// <summary>When it was begun.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
    /// <summary>Undecided then, it is aborted.</summary>
    public required DateTimeOffset DeadlineAt { get; init; }
    /// <summary>When it was decided.</summary>
    public DateTimeOffset? DecidedAt { get; init; }
    /// <summary>When the last branch had done what was decided.</summary>
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>Its branches, by number.</summary>
    public required IReadOnlyList<BranchInfo> Branches { get; init; }
    /// <summary>The branches that it waits for now: asked, and not yet answered, or parked.</summary>
    public IEnumerable<BranchInfo> Awaited => Branches.Where(b => b.State is BranchState.Preparing or BranchState.Committing or BranchState.Aborting or BranchState.Parked);
}

/// <summary>One branch of a transaction.</summary>
public sealed record BranchInfo
{
    /// <summary>Its number, from 1.</summary>
    public required int Number { get; init; }
    /// <summary>Those of one stage run side by side.</summary>
    public required int Stage { get; init; }
    /// <summary>The stable name of its record.</summary>
    public required string Kind { get; init; }
    /// <summary>Where it is.</summary>
    public required BranchState State { get; init; }
    /// <summary>Why it voted no, or failed.</summary>
    public string? Reason { get; init; }
    /// <summary>The job that does what it was asked for last; <c>jobs explain</c> says what that does.</summary>
    public JobId? Job { get; init; }
    /// <summary>When it was asked last.</summary>
    public DateTimeOffset? AskedAt { get; init; }
    /// <summary>When its vote was heard.</summary>
    public DateTimeOffset? VotedAt { get; init; }
    /// <summary>When it had done what was decided.</summary>
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>Its payload, JSON.</summary>
    public required string Payload { get; init; }
}
