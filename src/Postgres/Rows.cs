namespace Jobs.Postgres;

/// <summary>One job about to be written.</summary>
internal readonly record struct NewJob(JobId Id, string Type, string Queue, byte Priority, byte[] Arguments, double? DelaySeconds, DateTimeOffset? RunAt, Ties? Ties = null)
{
    /// <summary>Who enqueued it and how; null: this app. The same for all of one call.</summary>
    public string? Origin { get; init; }

    /// <summary>It needs the general statements.</summary>
    public bool IsGeneral => DelaySeconds is not null || RunAt is not null || Ties is not null;

    /// <summary>As plain as that, and nothing has to be looked up before it is written: it needs no transaction.</summary>
    public bool IsOneStatement => IsPlainButForColumns && (Ties is null or { HeldKey: null, Batch: null });

    /// <summary>Of the general kind only because of columns that change nothing else.</summary>
    public bool IsPlainButForColumns => DelaySeconds is null && RunAt is null && (Ties is null or { UniqueKey: null, After.Count: 0, Followed: false });
}

/// <summary>What few jobs have: deadlines, keys, others they wait for, a batch.</summary>
internal sealed record Ties
{
    public double? ExpiresSeconds { get; init; }
    public float? TimeoutSeconds { get; init; }

    /// <summary>TYPE:KEY, held by the live row; until its first claim if <see cref="UntilStarted"/>.</summary>
    public string? UniqueKey { get; init; }
    public bool UntilStarted { get; init; }

    /// <summary>A key that is taken for a time whatever becomes of the job.</summary>
    public string? HeldKey { get; init; }
    public double HeldSeconds { get; init; }
    public UniqueConflict OnConflict { get; init; }
    public JobId? Batch { get; init; }
    public IReadOnlyList<After> After { get; init; } = [];

    /// <summary>W3C traceparent of the span that enqueued it.</summary>
    public string? Trace { get; init; }
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>A JSON object of strings.</summary>
    public string? Metadata { get; init; }

    /// <summary>Others of the same call wait for it.</summary>
    public bool Followed { get; init; }
}

/// <summary>An attempt that has just been claimed.</summary>
internal readonly record struct ClaimedJob(
    JobId Id, int Attempt, int Failures, byte Priority, string Type, DateTimeOffset EnqueuedAt, byte[] Arguments, float? TimeoutSeconds = null, Guid? Batch = null, Guid[]? After = null,
    string? Trace = null, string? Metadata = null, bool IsLimited = false)
{
    /// <summary>Seconds from the answer of its claim until a rate lets it start.</summary>
    public double Wait { get; init; }

    /// <summary>It belongs to others, or carries something along.</summary>
    public bool HasTies => Batch is not null || After is not null || Metadata is not null;
}

/// <summary>An attempt that somebody wants stopped, who that is, and why.</summary>
internal sealed record CancelOrder(JobId Id, int Attempt, string? By, string? Reason);

/// <summary>The end of an attempt that ends its job. Error and result are JSON.</summary>
internal readonly record struct EndedAttempt(JobId Id, int Attempt, JobState State, byte[]? Result, string? Error);

/// <summary>The end of an attempt that is to be followed by another.</summary>
internal readonly record struct DeferredAttempt(JobId Id, int Attempt, TimeSpan Delay, string? Error);

/// <summary>The end of an attempt that was told to come back later, by whatever stands behind a limit; null: behind those of the job.</summary>
internal readonly record struct PushedBack(JobId Id, int Attempt, TimeSpan Delay, string? Limit);

/// <summary>What became of a job that was enqueued: queued now, waiting for something, or there already.</summary>
internal enum EnqueueFate
{
    Queued,
    Waiting,
    Existed,
}

/// <summary>What an enqueue did for one job, and which job that is: another one where a key was taken.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct Enqueued(EnqueueFate Fate, JobId Id);

/// <summary>Ended jobs that somebody may be waiting for, and the batches that ended jobs belong to.</summary>
internal sealed record Followed(IReadOnlyCollection<Guid> Jobs, IReadOnlyCollection<Guid> Batches)
{
    public static readonly Followed Nothing = new([], []);

    public bool IsNothing => Jobs.Count == 0 && Batches.Count == 0;
}

/// <summary>How many of the attempts were still this session's, who has to be told of their end, and the gates of limits that have room now and at which others wait.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct EndReport(int Written, Followed Followed, IReadOnlyList<string> Gates)
{
    public static EndReport operator +(EndReport a, EndReport b) => new(a.Written + b.Written,
        a.Followed.IsNothing ? b.Followed : b.Followed.IsNothing ? a.Followed : new Followed([.. a.Followed.Jobs, .. b.Followed.Jobs], [.. a.Followed.Batches, .. b.Followed.Batches]),
        [.. a.Gates, .. b.Gates]);
}

/// <summary>What a claim said beside the jobs it claimed: that no limit applies there and the queue is not fair, which gates have room although somebody waits, how many jobs are blocked now, and whether
/// the queue is fair (and not paused): then its tickets were used up, whichever jobs they named. After a claim at gates also which jobs need a ticket.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct LimitedClaim(bool Unlimited, IReadOnlyList<string> Gates, int Blocked, bool Fair, IReadOnlyList<Ticket> Tickets);
