namespace Jobs.Postgres;

/// <summary>A transaction about to be written, with the jobs of its first stage.</summary>
internal sealed record NewTransaction(
    Guid Id, string Name, string Mode, byte Priority, double TimeoutSeconds, IReadOnlyList<NewBranch> Branches, IReadOnlyList<NewJob> Jobs);

/// <summary>One of its branches. Job: that of its first stage; null: its turn is later.</summary>
internal sealed record NewBranch(int Stage, string Kind, string Queue, byte[] Arguments, bool Compensated, int? MaxAttempts, int? ParkAfter, Guid? Job);

/// <summary>What a branch's job finds in its row.</summary>
internal sealed record BranchToDo(int Round, byte[] Arguments, int? MaxAttempts, int? ParkAfter, string Mode);

/// <summary>A transaction as it is seen from outside.</summary>
internal sealed record SeenTransaction(
    string Name, string Mode, string State, DateTimeOffset CreatedAt, DateTimeOffset DeadlineAt, DateTimeOffset? DecidedAt, DateTimeOffset? EndedAt, string? Reason, string? Decision,
    List<SeenBranch> Branches);

/// <summary>One of its branches.</summary>
internal sealed record SeenBranch(
    int Number, int Stage, string Kind, string State, string? Reason, Guid? Job, DateTimeOffset? AskedAt, DateTimeOffset? VotedAt, DateTimeOffset? EndedAt, string Arguments, int Round);
