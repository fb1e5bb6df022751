namespace Jobs;

/// <summary>What is known about one job, live or ended. Times are by the database clock.</summary>
public sealed record JobInfo
{
    /// <summary>Its id.</summary>
    public required JobId Id { get; init; }
    /// <summary>Its type.</summary>
    public required string Type { get; init; }
    /// <summary>Its queue.</summary>
    public required string Queue { get; init; }
    /// <summary>0 to 31.</summary>
    public required int Priority { get; init; }
    /// <summary>Where it is in its life.</summary>
    public required JobState State { get; init; }
    /// <summary>How many times it was started.</summary>
    public required int Attempt { get; init; }
    /// <summary>How many attempts failed.</summary>
    public required int Failures { get; init; }
    /// <summary>How many times its worker died under it.</summary>
    public required int Crashes { get; init; }
    /// <summary>The session of the process that runs it or ran it last.</summary>
    public Guid? Session { get; init; }
    /// <summary>When it was enqueued.</summary>
    public required DateTimeOffset EnqueuedAt { get; init; }
    /// <summary>When it is due, while it is pending or scheduled.</summary>
    public DateTimeOffset? DueAt { get; init; }
    /// <summary>When the newest attempt was claimed.</summary>
    public DateTimeOffset? StartedAt { get; init; }
    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>Not worth starting after this; only while it is live.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
    /// <summary>Its type and the key that no other job may have; only while it holds it.</summary>
    public string? UniqueKey { get; init; }
    /// <summary>The batch it belongs to.</summary>
    public JobId? Batch { get; init; }
    /// <summary>The jobs it was made to wait for.</summary>
    public IReadOnlyList<JobId> After { get; init; } = [];
    /// <summary>How many of them have not ended.</summary>
    public int Waits { get; init; }
    /// <summary>Who enqueued it and how: "app NAME", "schedule NAME", "batch ID", "amqp", "sql APPLICATION", "retry WHO", "redrive ID", "transaction ID". Null for jobs of an older version.</summary>
    public string? Origin { get; init; }
    /// <summary>Words to find it by.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];
    /// <summary>What is carried along.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
    /// <summary>The ended job of which this is a new life.</summary>
    public JobId? RetryOf { get; init; }
    /// <summary>The new life that it was given after its end.</summary>
    public JobId? RetriedAs { get; init; }
    /// <summary>W3C traceparent of the span that enqueued it.</summary>
    public string? Trace { get; init; }
    /// <summary>
    /// While it is live: its end was asked for. It is "cancelling": its token has been cancelled or is about to be, and no other attempt of it is started. It stays so until its
    /// handler returns, or is abandoned after <c>WorkerOptions.TimeoutGrace</c>.
    /// </summary>
    public Requested? CancelRequested { get; init; }
    /// <summary>What happened to it beside its plain way, oldest first: retries, rescues, and what operators did.</summary>
    public IReadOnlyList<JobEvent> Events { get; init; } = [];
    /// <summary>How far its handler said it was, the last time that it said so within 7 days.</summary>
    public JobProgress? Progress { get; init; }
    /// <summary>Its arguments, JSON.</summary>
    public required string Arguments { get; init; }
    /// <summary>Its result, JSON, when its handler gave one.</summary>
    public string? Result { get; init; }
    /// <summary>Every failed attempt, oldest first.</summary>
    public IReadOnlyList<JobError> Errors { get; init; } = [];
}

/// <summary>Something that happened to a job beside its plain way.</summary>
/// <param name="At">When, by the database clock.</param>
/// <param name="What">What, one of a closed set of words; docs/STATES.md lists them.</param>
public sealed record JobEvent(DateTimeOffset At, string What)
{
    /// <summary>Who did it, when somebody did.</summary>
    public string? By { get; init; }
    /// <summary>Why, in the words of who did it.</summary>
    public string? Reason { get; init; }
    /// <summary>The attempt it is about.</summary>
    public int? Attempt { get; init; }
    /// <summary>The session of the worker it is about.</summary>
    public Guid? Session { get; init; }
    /// <summary>When that attempt was started.</summary>
    public DateTimeOffset? StartedAt { get; init; }
    /// <summary>When the job is due again.</summary>
    public DateTimeOffset? DueAt { get; init; }
    /// <summary>The value before, of what was changed.</summary>
    public string? From { get; init; }
    /// <summary>The value after.</summary>
    public string? To { get; init; }
}

/// <summary>Why one attempt failed.</summary>
/// <param name="Attempt">Which run.</param>
/// <param name="At">When, by the database clock.</param>
/// <param name="Session">The session of the worker, when known.</param>
/// <param name="Type">The exception's type, or <c>jobs.*</c> for a fault named by the platform.</param>
/// <param name="Message">At most 2,000 characters.</param>
/// <param name="Stack">At most 4,000 characters.</param>
public sealed record JobError(int Attempt, DateTimeOffset At, Guid? Session, string Type, string Message, string? Stack);

/// <summary>How far an attempt says it is.</summary>
/// <param name="Attempt">Which attempt said so.</param>
/// <param name="Done">How much is done, in units of its own.</param>
/// <param name="Total">Out of how much, when that is known.</param>
/// <param name="Note">What it is doing.</param>
/// <param name="At">When that was written, by the database clock.</param>
public sealed record JobProgress(int Attempt, long Done, long? Total, string? Note, DateTimeOffset At)
{
    /// <summary>0 to 100, when the total is known.</summary>
    public int? Percent => Total is > 0 and { } total ? (int)Math.Min(100, 100.0 * Done / total) : null;
}
