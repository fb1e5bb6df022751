using System.Diagnostics.Metrics;
using Jobs.Postgres;

namespace Jobs.Coordination;

/// <summary>
/// What this room measures, and what is counted alike in several: jobs that come in and jobs that end. Nothing is computed while nobody listens; what comes in batches is
/// counted in batches. docs/OPERATIONS.md is the dictionary.
/// </summary>
internal sealed class CoordinationTelemetry : IDisposable
{
    private const int MostQueues = 200;
    private const int MostTypes = 500;

    private readonly Meter _meter;
    private readonly Counter<long> _enqueued;
    private readonly Counter<long> _ended;
    private readonly Counter<long> _admitted;
    private readonly Counter<long> _heartbeatFailures;
    private readonly Counter<long> _sessionsLost;
    private readonly FewValues _queues = new(MostQueues);
    private readonly FewValues _types = new(MostTypes);

    public CoordinationTelemetry(IMeterFactory? factory = null)
    {
        _meter = JobsTelemetry.Open(JobsTelemetry.Coordination, factory);
        _enqueued = _meter.CreateCounter<long>("jobs.enqueued", "{job}", "Jobs that were written, by the process that wrote them.");
        _ended = _meter.CreateCounter<long>("jobs.ended", "{job}", "Jobs that have ended, by the process that wrote their end.");
        _admitted = _meter.CreateCounter<long>("jobs.limit.admitted", "{job}", "Jobs that waited for room at a limit and were queued again, by the process that queued them.");
        _heartbeatFailures = _meter.CreateCounter<long>("jobs.session.heartbeat.failures", "{heartbeat}", "Heartbeats that did not reach Postgres.");
        _sessionsLost = _meter.CreateCounter<long>("jobs.session.lost", "{session}", "Sessions of this process that were ended by others: it was taken for dead.");
        _meter.CreateObservableGauge("jobs.session.heartbeat.age", () => HeartbeatAge() is { } age ? [new Measurement<double>(age.TotalSeconds)] : Array.Empty<Measurement<double>>(),
            "s", "Since the last heartbeat that reached Postgres.");
    }

    /// <summary>Since the last heartbeat; null before the first. The session says.</summary>
    public Func<TimeSpan?> HeartbeatAge { get; set; } = () => null;

    /// <summary>Jobs of one statement that are new.</summary>
    public void Enqueued(IReadOnlyList<NewJob> rows, Enqueued[] fates, string via)
    {
        if (rows.Count == 0 || !_enqueued.Enabled)
        {
            return;
        }

        // Runs of the same kind are added at once; nearly always that is all of them.
        var (from, n) = (0, 0);
        for (var i = 0; i < rows.Count; i++)
        {
            if (rows[i].Type != rows[from].Type || rows[i].Queue != rows[from].Queue)
            {
                Enqueued(rows[from].Queue, rows[from].Type, via, n);
                (from, n) = (i, 0);
            }

            n += fates[i].Fate == EnqueueFate.Existed ? 0 : 1;
        }

        Enqueued(rows[from].Queue, rows[from].Type, via, n);
    }

    public void Enqueued(string queue, string type, string via, long count)
    {
        if (count > 0 && _enqueued.Enabled)
        {
            _enqueued.Add(count, Labels.Of(Labels.Queue, _queues.Of(queue)), Labels.Of(Labels.Type, _types.Of(type)), Labels.Of(Labels.Via, via));
        }
    }

    /// <summary>Jobs that SQL or a DbContext wrote, when they are queued for the first time: their writers' commit is not ours to see.</summary>
    public void EnqueuedBySql(List<Ticket> jobs)
    {
        if (jobs.Count > 0 && _enqueued.Enabled)
        {
            foreach (var kind in jobs.GroupBy(j => (j.Queue, j.Type)))
            {
                Enqueued(kind.Key.Queue, kind.Key.Type, "sql", kind.Count());
            }
        }
    }

    /// <summary>Whether somebody listens to ends.</summary>
    public bool CountsEnds => _ended.Enabled;

    public void Ended(string queue, string type, JobState state, long count)
    {
        if (count > 0 && _ended.Enabled)
        {
            _ended.Add(count, Labels.Of(Labels.Queue, _queues.Of(queue)), Labels.Of(Labels.Type, _types.Of(type)), Labels.Of(Labels.State, Words.Of(state)));
        }
    }

    /// <summary>Jobs of any queue and type: the statement that ended them does not tell.</summary>
    public void Ended(JobState state, long count)
    {
        if (count > 0)
        {
            _ended.Add(count, Labels.Of(Labels.State, Words.Of(state)));
        }
    }

    /// <summary>Jobs of one statement that a limit had held back.</summary>
    public void Admitted(IEnumerable<Ticket> jobs)
    {
        if (_admitted.Enabled)
        {
            foreach (var queue in jobs.GroupBy(j => j.Queue))
            {
                Admitted(queue.Key, queue.Count());
            }
        }
    }

    public void Admitted(string queue, int jobs) => _admitted.Add(jobs, Labels.Of(Labels.Queue, _queues.Of(queue)));

    public void HeartbeatFailed() => _heartbeatFailures.Add(1);

    public void SessionLost() => _sessionsLost.Add(1);

    public void Dispose() => _meter.Dispose();
}
