namespace Jobs;

/// <summary>How one job is enqueued. Everything has a default.</summary>
public sealed record EnqueueOptions
{
    /// <summary>
    /// The job's id, when the caller wants to repeat an enqueue whose outcome it does not know: the same id is one job, even if it has ended meanwhile.
    /// Default: a new one. Must be of version 7 (<see cref="JobId.New"/>).
    /// </summary>
    public JobId? Id { get; init; }

    /// <summary>Default: the queue of the job's attribute.</summary>
    public QueueName? Queue { get; init; }

    /// <summary>0 to 31. Default <see cref="JobPriority.Normal"/>, 16.</summary>
    public JobPriority Priority { get; init; } = JobPriority.Normal;

    /// <summary>Start this much later, by the database clock; 0 to 10 years. Not together with <see cref="RunAt"/>.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>Start at this time; a past one means now, the year 2199 is the last. Not together with <see cref="Delay"/>.</summary>
    public DateTimeOffset? RunAt { get; init; }

    /// <summary>How long an attempt may take; 10 ms to 30 days. Default: what the job's attribute says. Then its token is cancelled, and the attempt counts as failed.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Not worth starting later than this after the enqueue, by the database clock: it ends as expired then, also while it waits. Over 0, up to 10 years. Default: what the job's attribute says.</summary>
    public TimeSpan? Expires { get; init; }

    /// <summary>One job at a time for a key. Default: what the record's <see cref="UniqueAttribute"/> says.</summary>
    public Unique? Unique { get; init; }

    /// <summary>Start only when these jobs have ended. At most 1,000.</summary>
    public IReadOnlyList<After> After { get; init; } = [];

    /// <summary>The batch it belongs to (<c>IJobClient.CreateBatchAsync</c>).</summary>
    public JobId? Batch { get; init; }

    /// <summary>Words to find it by. At most 20, each of 1 to 100 characters.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>What is carried along to the handler (<see cref="JobContext.Metadata"/>) and to whoever looks at the job. At most 4,096 bytes of JSON.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
}
