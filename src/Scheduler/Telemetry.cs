using System.Diagnostics;
using System.Diagnostics.Metrics;
using Jobs.Postgres;

namespace Jobs.Scheduler;

/// <summary>What this room measures: time, repair, and how deep the queues are. docs/OPERATIONS.md is the dictionary.</summary>
internal sealed class SchedulerTelemetry : IDisposable
{
    private const int MostQueues = 200;

    private static readonly ActivitySource Source = new(JobsTelemetry.Scheduler);

    private readonly Meter _meter;
    private readonly Counter<long> _due;
    private readonly Histogram<double> _late;
    private readonly Counter<long> _occurrences;
    private readonly Histogram<double> _occurrenceLate;
    private readonly Counter<long> _rescued;
    private readonly Counter<long> _poisoned;
    private readonly Counter<long> _dead;
    private readonly Counter<long> _resent;
    private readonly Counter<long> _failures;
    private readonly ObservableUpDownCounter<long> _live;
    private readonly ObservableGauge<double> _oldest;
    private readonly ObservableUpDownCounter<long> _held;
    private readonly ObservableUpDownCounter<long> _waiting;
    private readonly ObservableUpDownCounter<long> _transactions;
    private readonly ObservableUpDownCounter<long> _inDoubt;
    private readonly ObservableGauge<double> _inDoubtFor;
    private readonly FewValues _queues = new(MostQueues);

    public SchedulerTelemetry(IMeterFactory? factory = null)
    {
        _meter = JobsTelemetry.Open(JobsTelemetry.Scheduler, factory);
        _due = _meter.CreateCounter<long>("jobs.due", "{job}", "Delayed jobs, retries, snoozes and jobs of others' transactions that were queued when their time had come.");
        _late = _meter.CreateHistogram("jobs.due.lateness", "s", "From the due time of the longest due job to the look that found it.", advice: JobsTelemetry.Seconds);
        _occurrences = _meter.CreateCounter<long>("jobs.occurrences", "{occurrence}", "Occurrences of schedules that were recorded: enqueued, or skipped.");
        _occurrenceLate = _meter.CreateHistogram("jobs.occurrence.lateness", "s", "From the instant of an occurrence to its being recorded.", advice: JobsTelemetry.Seconds);
        _rescued = _meter.CreateCounter<long>("jobs.rescued", "{job}", "Jobs that were running when their worker died and were given back to their queue.");
        _poisoned = _meter.CreateCounter<long>("jobs.poisoned", "{job}", "Jobs that were failed because they killed their worker three times.");
        _dead = _meter.CreateCounter<long>("jobs.sessions.dead", "{session}", "Processes that were found dead.");
        _resent = _meter.CreateCounter<long>("jobs.tickets.resent", "{ticket}", "Tickets that were lost, or lay in a busy worker, and were sent again.");
        _failures = _meter.CreateCounter<long>("jobs.scheduler.failures", "{run}", "Runs of a service of the scheduler that ended with an error and are repeated.");
        _meter.CreateObservableGauge("jobs.leading", () => Leads ? 1 : 0, null, "1 in the scheduler that leads, 0 in the others.");
        _live = _meter.CreateObservableUpDownCounter("jobs.live", () => Depths.SelectMany(States), "{job}", "Live jobs, from the leading scheduler; counted at most every 15 s.");
        _oldest = _meter.CreateObservableGauge("jobs.oldest", () => Depths.Where(d => d.Oldest is not null).Select(d => new Measurement<double>(d.Oldest!.Value.TotalSeconds, Labels.Of(Labels.Queue, d.Queue))),
            "s", "How long the longest waiting job of a queue has been waiting for a worker, from the leading scheduler; looked at at most every 15 s.");
        _held = _meter.CreateObservableUpDownCounter("jobs.limit.held", () => Limits.Select(l => new Measurement<long>(l.Held, Labels.Of(Labels.Limit, l.Limit))), "{job}",
            "Running jobs that a limit counts, from the leading scheduler; counted at most every 15 s.");
        _waiting = _meter.CreateObservableUpDownCounter("jobs.limit.waiting", () => Limits.Select(l => new Measurement<long>(l.Waiting, Labels.Of(Labels.Limit, l.Limit))), "{job}",
            "Jobs that a limit holds back, from the leading scheduler; counted at most every 15 s.");
        _transactions = _meter.CreateObservableUpDownCounter("jobs.transactions.live", () => Transactions.Select(t => new Measurement<long>(t.Live, Labels.Of(Labels.State, t.State))), "{transaction}",
            "Transactions that have not ended, from the leading scheduler; counted at most every 15 s.");
        _inDoubt = _meter.CreateObservableUpDownCounter("jobs.transactions.indoubt", () => Sum(Transactions.Sum(t => t.InDoubt)), "{transaction}",
            "Two-phase transactions with prepared branches that wait for the decision, from the leading scheduler; counted at most every 15 s.");
        _inDoubtFor = _meter.CreateObservableGauge("jobs.transactions.indoubt.oldest", () => Sum(Transactions.Select(t => t.Oldest.TotalSeconds).DefaultIfEmpty().Max()), "s",
            "For how long the first of them has been; 0 when there is none.");
    }

    public bool Leads { get; set; }

    /// <summary>What was counted last; nothing where this scheduler does not lead.</summary>
    public IReadOnlyList<QueueDepth> Depths { get; set; } = [];

    /// <summary>What limits held and held back then.</summary>
    public IReadOnlyList<LimitDepth> Limits { get; set; } = [];

    /// <summary>Transactions that had not ended then.</summary>
    public IReadOnlyList<TransactionDepth> Transactions { get; set; } = [];

    /// <summary>Whether somebody wants to know how deep the queues are.</summary>
    public bool CountsDepths => _live.Enabled || _oldest.Enabled || _held.Enabled || _waiting.Enabled || _transactions.Enabled || _inDoubt.Enabled || _inDoubtFor.Enabled;

    /// <summary>The span of a look at a schedule; the jobs it enqueues are linked to it.</summary>
    public static Activity? StartRecording(string schedule) =>
        Source.HasListeners() ? Source.StartActivity($"record {schedule}")?.SetTag(Labels.Schedule, schedule) : null;

    public void Due(int jobs, TimeSpan late)
    {
        if (jobs > 0)
        {
            _due.Add(jobs);
            _late.Record(late.TotalSeconds);
        }
    }

    public void Recorded(Recorded recorded)
    {
        Occurrences("enqueued", recorded.Enqueued);
        Occurrences("skipped", recorded.Skipped);
        if (_occurrenceLate.Enabled)
        {
            foreach (var verdict in recorded.Pass.Verdicts.Where(v => v.Job is not null))
            {
                _occurrenceLate.Record(Math.Max(0, (recorded.Now - verdict.At).TotalSeconds));
            }
        }
    }

    public void Rescued(IEnumerable<Ticket> jobs)
    {
        foreach (var queue in jobs.GroupBy(j => j.Queue))
        {
            _rescued.Add(queue.Count(), Label(queue.Key));
        }
    }

    public void Poisoned(string queue) => _poisoned.Add(1, Label(queue));

    public void Dead(int sessions)
    {
        if (sessions > 0)
        {
            _dead.Add(sessions);
        }
    }

    public void Resent(string queue, int tickets)
    {
        if (tickets > 0)
        {
            _resent.Add(tickets, Label(queue));
        }
    }

    public void Failed(string service) => _failures.Add(1, Labels.Of(Labels.Service, service));

    public void Dispose() => _meter.Dispose();

    private KeyValuePair<string, object?> Label(string queue) => Labels.Of(Labels.Queue, _queues.Of(queue));

    private void Occurrences(string result, long count)
    {
        if (count > 0)
        {
            _occurrences.Add(count, Labels.Of(Labels.Result, result));
        }
    }

    /// <summary>Nothing where this scheduler does not lead.</summary>
    private IEnumerable<Measurement<T>> Sum<T>(T value)
        where T : struct => Transactions.Count == 0 ? [] : [new Measurement<T>(value)];

    private static IEnumerable<Measurement<long>> States(QueueDepth depth) =>
        depth.Live.Select(l => new Measurement<long>(l.Value, Labels.Of(Labels.Queue, depth.Queue), Labels.Of(Labels.State, Words.Of(l.Key))));
}
