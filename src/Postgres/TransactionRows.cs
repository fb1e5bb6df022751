namespace Jobs.Postgres;

/// <summary>A transaction about to be written, with the jobs of its first stage.</summary>
internal sealed record NewTransaction(
    Guid Id, string Name, string Mode, byte Priority, double TimeoutSeconds, IReadOnlyList<NewBranch> Branches, IReadOnlyList<NewJob> Jobs)
{
    /// <summary>W3C traceparent of the span that begins it.</summary>
    public string? Trace { get; init; }

    /// <summary>Of its jobs the one that looks after it.</summary>
    public required Guid Watch { get; init; }
}

/// <summary>One of its branches. Job: that of its first stage; null: its turn is later.</summary>
internal sealed record NewBranch(int Stage, string Kind, string Queue, byte[] Arguments, bool Compensated, int? MaxAttempts, int? ParkAfter, Guid? Job);

/// <summary>What a branch's job finds in its row.</summary>
internal sealed record BranchToDo(int Round, byte[] Arguments, int? MaxAttempts, int? ParkAfter, string Mode, Guid? Job);

/// <summary>A transaction as its coordinator finds it, locked. LockedAt: when that was, by the database clock.</summary>
internal sealed record HeldTransaction(
    string Name, string Mode, string State, short Priority, DateTimeOffset DeadlineAt, DateTimeOffset? DecidedAt, DateTimeOffset? EndedAt, string? Reason, DateTimeOffset CreatedAt, string? Trace,
    DateTimeOffset LockedAt, List<HeldBranch> Branches);

/// <summary>One of its branches. IsLive: its job has not ended. Running: the attempt of that which runs.</summary>
internal sealed record HeldBranch(
    int Number, int Stage, string Kind, string Queue, bool Compensated, string State, int Round, string? Verb, Guid? Job, Guid? After, int? Answered, string? Reason,
    DateTimeOffset? AskedAt, DateTimeOffset? VotedAt, DateTimeOffset? EndedAt, bool IsLive, int? Running);

/// <summary>A transaction as it is seen from outside.</summary>
internal sealed record SeenTransaction(
    string Name, string Mode, string State, DateTimeOffset CreatedAt, DateTimeOffset DeadlineAt, DateTimeOffset? DecidedAt, DateTimeOffset? EndedAt, string? Reason, string? Decision,
    List<SeenBranch> Branches);

/// <summary>One of its branches.</summary>
internal sealed record SeenBranch(
    int Number, int Stage, string Kind, string State, string? Reason, Guid? Job, DateTimeOffset? AskedAt, DateTimeOffset? VotedAt, DateTimeOffset? EndedAt, string Arguments, int Round);

/// <summary>
/// Which transactions are meant; null: any. Older: begun at least so long ago. InDoubt: with a branch that has been prepared for so long while nothing is decided. Kind: with a branch of this kind. Live: only those
/// that have not ended.
/// </summary>
internal sealed record TransactionFilter(string? State = null, string? Name = null, string? Mode = null, TimeSpan? Older = null, TimeSpan? InDoubt = null, string? Kind = null, bool Live = false);

/// <summary>A transaction in a list. Asked: branches that have not answered. PreparedAt: when the first branch voted yes of one that is in doubt. Now: by the database clock.</summary>
internal sealed record TransactionLine(
    Guid Id, string Name, string Mode, string State, DateTimeOffset CreatedAt, DateTimeOffset DeadlineAt, DateTimeOffset? DecidedAt, DateTimeOffset? EndedAt, string? Reason, string? Decision,
    int Branches, int Asked, IReadOnlyList<int> Parked, DateTimeOffset? PreparedAt, DateTimeOffset Now);

/// <summary>What an operator ordered.</summary>
internal sealed record TransactionOrder(DateTimeOffset At, string Verb, int? Branch, string By, string? Reason, DateTimeOffset? ToldAt);

/// <summary>What the coordinators are to be sent of it.</summary>
internal sealed record OrderToTell(long Id, string Verb, int? Branch, int? Round, string? Reason);
