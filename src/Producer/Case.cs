using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>What the reasons look at: a job, and what is around it at one moment.</summary>
internal sealed record Case(JobInfo Job, DateTimeOffset Now, IReadOnlyList<Presence> Processes, TimeSpan Ttl)
{
    /// <summary>Of its queue; only for a queued job.</summary>
    public QueueState? Queue { get; init; }

    /// <summary>What is before it; only for a queued job.</summary>
    public Line? Line { get; init; }

    /// <summary>Whose turn it waits for; null when its queue is not fair.</summary>
    public Turn? Turn { get; init; }

    public IEnumerable<Presence> Alive => Processes.Where(p => p.HeartbeatAge <= Ttl);

    /// <summary>Live workers of its queue that take jobs.</summary>
    public IEnumerable<Presence> Serving => Alive.Where(p => p is { Slots: > 0, Drains: false });

    /// <summary>Live workers that could run it.</summary>
    public IEnumerable<Presence> Able => Serving.Where(p => p.Handles);

    public bool Scheduled => Alive.Any(p => p.Schedules);

    public bool Paused => Queue is { PausedAt: not null } queue && !(queue.PausedUntil <= Now);

    public bool Busy => Line is { } line && line.Running >= Able.Sum(p => p.Slots!.Value);

    public JobError? LastError => Job.Errors.Count > 0 ? Job.Errors[^1] : null;

    public string Ago(DateTimeOffset time) => Phrase.Duration(Now - time);
}
