namespace Jobs;

/// <summary>Which jobs are meant. Everything is optional; what is set must hold together. An empty filter means all jobs.</summary>
public sealed record JobFilter
{
    /// <summary>Only these. At most 1,000.</summary>
    public IReadOnlyList<JobId> Ids { get; init; } = [];
    /// <summary>Only of this queue.</summary>
    public QueueName? Queue { get; init; }
    /// <summary>Only of this type.</summary>
    public string? Type { get; init; }
    /// <summary>Only in this state.</summary>
    public JobState? State { get; init; }
    /// <summary>Only with all of these tags. At most 20.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];
    /// <summary>Only of this batch.</summary>
    public JobId? Batch { get; init; }
    /// <summary>Only enqueued at this time or later, by the database clock. A job whose id was made over a minute earlier (a callback of a batch, a clock that is off) is not found by it.</summary>
    public DateTimeOffset? EnqueuedFrom { get; init; }
    /// <summary>Only enqueued before this time, by the database clock. A job whose id was made over a minute later (by a clock that is off) is not found by it.</summary>
    public DateTimeOffset? EnqueuedTo { get; init; }
    /// <summary>Only ended at this time or later.</summary>
    public DateTimeOffset? EndedFrom { get; init; }
    /// <summary>Only ended before this time.</summary>
    public DateTimeOffset? EndedTo { get; init; }
    /// <summary>Only with this text in the type or the message of their newest error; upper and lower case are the same.</summary>
    public string? Error { get; init; }
    /// <summary>Only with these fields in their arguments. A name with dots is a path into objects. Values are compared as text. At most 20.</summary>
    public IReadOnlyDictionary<string, string> Where { get; init; } = System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
}

/// <summary>Which page of a list of jobs, newest first.</summary>
public sealed record JobPage
{
    /// <summary>Only jobs older than this one: <see cref="JobList.Next"/> of the page before.</summary>
    public JobId? Below { get; init; }
    /// <summary>1 to 1000. Default 50.</summary>
    public int Limit { get; init; } = 50;
}

/// <summary>One queue: how many live jobs it has in each state, counted now, and how fast its jobs end.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Live">Live jobs by state; a state without a job is not in it.</param>
/// <param name="Rates">How many ended in which way in the last minutes.</param>
public sealed record QueueInfo(string Name, IReadOnlyDictionary<JobState, long> Live, QueueRates Rates)
{
    /// <summary>No job of it is started; null when that is not so, or no longer.</summary>
    public QueuePause? Paused { get; init; }

    /// <summary>A queued job gains a level of priority each time it has waited for so long; null: priorities stay as they are.</summary>
    public TimeSpan? Ageing { get; init; }

    /// <summary>Its jobs are started in turn; null: in the order in which they were queued.</summary>
    public QueueFairness? Fairness { get; init; }
}

/// <summary>How a queue is fair: within a level of priority the values of a key take turns.</summary>
/// <param name="Key">The path of the key in the arguments.</param>
/// <param name="Weights">How many jobs of a value are started in its turn, where that was set; others have one.</param>
public sealed record QueueFairness(string Key, IReadOnlyDictionary<string, int> Weights);

/// <summary>One process that takes part, as it described itself when it started.</summary>
/// <param name="Id">A random id, new at each start and after each presumed death.</param>
/// <param name="Host">The machine's name and the program's; for people only.</param>
/// <param name="ProcessId">For people only.</param>
/// <param name="Roles"><c>producer</c>, <c>worker</c>, <c>scheduler</c>.</param>
/// <param name="Queues">Slots by queue, at its last heartbeat.</param>
/// <param name="Running">Attempts it ran at its last heartbeat.</param>
/// <param name="Abandoned">Handlers that ignored their cancelled token and had not returned at its last heartbeat: their attempts have ended, their code still runs.</param>
/// <param name="StartedAt">By the database clock.</param>
/// <param name="HeartbeatAge">Since its last heartbeat, on the database clock.</param>
/// <param name="Leads">Whether it is the leading scheduler.</param>
public sealed record SessionInfo(Guid Id, string Host, int ProcessId, IReadOnlyList<string> Roles, IReadOnlyDictionary<string, int> Queues, int Running, int Abandoned,
    DateTimeOffset StartedAt, TimeSpan HeartbeatAge, bool Leads)
{
    /// <summary>It takes no more jobs, and leaves when those it runs have ended.</summary>
    public Requested? Draining { get; init; }

    /// <summary>Of a worker: its queues' slots at its last heartbeat, by name.</summary>
    public IReadOnlyList<WorkerSlots> Slots { get; init; } = [];

    /// <summary>Of a worker: the pools of slots that its queues share, by name.</summary>
    public IReadOnlyList<WorkerPool> Pools { get; init; } = [];
}
