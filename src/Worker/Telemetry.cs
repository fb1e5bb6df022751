using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Jobs.Worker;

/// <summary>
/// What this room measures: claims, attempts, outcomes, slots. Nothing is computed while nobody listens; what happens to a batch is added once for the batch, and only the
/// durations of attempts are recorded one by one. docs/OPERATIONS.md is the dictionary.
/// </summary>
internal sealed class WorkerTelemetry : IDisposable
{
    private const int MostErrors = 200;

    private readonly Meter _meter;
    private readonly TimeProvider _time;
    private readonly Counter<long> _claimed;
    private readonly Counter<long> _stale;
    private readonly Counter<long> _blocked;
    private readonly Histogram<double> _claiming;
    private readonly Histogram<double> _waited;
    private readonly Histogram<double> _ran;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _abandoned;
    private readonly Counter<long> _refused;
    private readonly Histogram<double> _writing;
    private readonly FewValues _errors = new(MostErrors);

    public WorkerTelemetry(Running running, TimeProvider time, IMeterFactory? factory = null)
    {
        _time = time;
        _meter = JobsTelemetry.Open(JobsTelemetry.Worker, factory);
        _claimed = _meter.CreateCounter<long>("jobs.claimed", "{job}", "Jobs that this process has claimed: attempts begun.");
        _stale = _meter.CreateCounter<long>("jobs.claim.stale", "{ticket}", "Tickets that claimed nothing: stale, doubled, or of a type that this worker does not know.");
        _blocked = _meter.CreateCounter<long>("jobs.limit.blocked", "{job}", "Claims of jobs that a limit did not let through.");
        _claiming = _meter.CreateHistogram("jobs.claim.duration", "s", "One claim, from its statement to its commit, repetitions included.", advice: JobsTelemetry.ShortSeconds);
        _waited = _meter.CreateHistogram("jobs.wait.duration", "s", "From the enqueue of a job to the start of its first attempt; this machine's clock less the database's.", advice: JobsTelemetry.Seconds);
        _ran = _meter.CreateHistogram("jobs.attempt.duration", "s", "From the start of an attempt to its handler's return, or to its being abandoned.", advice: JobsTelemetry.Seconds);
        _failures = _meter.CreateCounter<long>("jobs.attempt.failures", "{attempt}", "Attempts that failed, by what they failed of and whether the job is tried again.");
        _abandoned = _meter.CreateCounter<long>("jobs.attempt.abandoned", "{attempt}", "Attempts that were ended without their handler, because it ignored its cancelled token.");
        _refused = _meter.CreateCounter<long>("jobs.outcomes.refused", "{outcome}", "Outcomes that came too late: their attempt had been taken away.");
        _writing = _meter.CreateHistogram("jobs.outcomes.duration", "s", "One statement that writes outcomes, to its commit, repetitions included.", advice: JobsTelemetry.ShortSeconds);
        _meter.CreateObservableUpDownCounter("jobs.outcomes.buffered", () => Buffered(), "{outcome}", "Outcomes that wait to be written.");
        _meter.CreateObservableUpDownCounter("jobs.handlers.abandoned", () => running.Abandoned, "{handler}", "Handlers of abandoned attempts that have not returned.");
        _meter.CreateObservableUpDownCounter("jobs.slots", () => Each(l => l.Slots), "{slot}", "How many handlers may run at once.");
        _meter.CreateObservableUpDownCounter("jobs.slots.used", () => Each(l => l.Used), "{slot}", "Slots in which a handler runs.");
        _meter.CreateObservableUpDownCounter("jobs.tickets.buffered", () => Each(l => l.Buffered), "{ticket}", "Tickets in this process that wait for a slot.");
        _meter.CreateObservableGauge("jobs.prefetch", () => Each(l => l.Prefetch), "{ticket}", "How many tickets the broker may push ahead.");
        _meter.CreateObservableGauge("jobs.consuming", () => Each(l => l.Consuming ? 1 : 0), null, "1 while the broker delivers tickets of this queue to this process, else 0.");
    }

    /// <summary>How many outcomes wait; the completer says.</summary>
    public Func<int> Buffered { get; set; } = () => 0;

    /// <summary>The state of each queue that is worked on; the service says.</summary>
    public Func<IEnumerable<LineState>> Lines { get; set; } = () => [];

    public void Claimed(string queue, int tickets, int jobs, int blocked, TimeSpan took)
    {
        var label = Labels.Of(Labels.Queue, queue);
        _claimed.Add(jobs, label);
        _claiming.Record(took.TotalSeconds, label);
        if (blocked > 0)
        {
            _blocked.Add(blocked, label);
        }

        if (tickets > jobs + blocked)
        {
            _stale.Add(tickets - jobs - blocked, label);
        }
    }

    public void Started(Attempt attempt)
    {
        if (_ran.Enabled)
        {
            attempt.BeganAt = _time.GetTimestamp();
        }

        if (attempt.Job.Attempt == 1 && _waited.Enabled)
        {
            _waited.Record(Math.Max(0, (_time.GetUtcNow() - attempt.Job.EnqueuedAt).TotalSeconds), Labels.Of(Labels.Queue, attempt.Queue), Labels.Of(Labels.Type, attempt.Job.Type));
        }
    }

    public void Ended(Attempt attempt, string outcome)
    {
        if (attempt.BeganAt is not 0 and var began)
        {
            _ran.Record(_time.GetElapsedTime(began).TotalSeconds,
                Labels.Of(Labels.Queue, attempt.Queue), Labels.Of(Labels.Type, attempt.Job.Type), Labels.Of(Labels.Outcome, outcome));
        }

        if (outcome is Outcomes.Failed or Outcomes.Retried && _failures.Enabled)
        {
            _failures.Add(1, new TagList
            {
                { Labels.Queue, attempt.Queue }, { Labels.Type, attempt.Job.Type }, { Labels.Outcome, outcome }, { Labels.ErrorType, _errors.Of(attempt.ErrorType ?? Labels.Other) },
            });
        }
    }

    public void Abandoned(Attempt attempt) => _abandoned.Add(1, Labels.Of(Labels.Queue, attempt.Queue), Labels.Of(Labels.Type, attempt.Job.Type));

    public void Written(int outcomes, int written, TimeSpan took)
    {
        _writing.Record(took.TotalSeconds);
        if (written < outcomes)
        {
            _refused.Add(outcomes - written);
        }
    }

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<int>> Each(Func<LineState, int> value) => Lines().Select(l => new Measurement<int>(value(l), Labels.Of(Labels.Queue, l.Queue)));
}

/// <summary>One queue of a worker, now.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct LineState(string Queue, int Slots, int Used, int Buffered, int Prefetch, bool Consuming);

/// <summary>How an attempt ended, in a word.</summary>
internal static class Outcomes
{
    public const string Succeeded = "succeeded";
    public const string Failed = "failed";
    public const string Retried = "retried";
    public const string Snoozed = "snoozed";
    public const string RateLimited = "rate_limited";
    public const string Cancelled = "cancelled";
    public const string HandedBack = "handed_back";
    public const string Lost = "lost";
    public const string Abandoned = "abandoned";

    public static string Of(Attempt attempt, Completion? completion) => completion switch
    {
        { End: JobState.Succeeded } => Succeeded,
        { End: JobState.Cancelled } => Cancelled,
        { End: not null } => Failed,
        { Told: not null } => RateLimited,
        { Error: null } => Snoozed,
        not null => Retried,
        null => attempt.Why == Stop.Lost ? Lost : HandedBack,
    };
}

/// <summary>
/// The span of one attempt, "process QUEUE". It starts a trace of its own and is linked to the span that enqueued the job, as the conventions for messaging have it: the job may run
/// days later, and a retry is a new span with the same link.
/// </summary>
internal static class AttemptSpan
{
    private static readonly ActivitySource Source = new(JobsTelemetry.Worker);

    /// <summary>Null: nobody traces.</summary>
    public static Activity? Start(Attempt attempt)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var job = attempt.Job;
        ActivityLink[]? links = ActivityContext.TryParse(job.Trace, null, isRemote: true, out var enqueued) ? [new ActivityLink(enqueued)] : null;
        return Source.StartActivity($"process {attempt.Queue}", ActivityKind.Consumer, parentContext: default, new TagList
        {
            { Labels.MessagingSystem, Labels.Jobs }, { Labels.OperationName, "process" }, { Labels.OperationType, "process" },
            { Labels.Destination, attempt.Queue }, { Labels.MessageId, job.Id.ToString() },
            { Labels.Type, job.Type }, { Labels.Priority, (int)job.Priority }, { Labels.Attempt, job.Attempt },
        }, links);
    }

    public static void End(Activity? span, Attempt attempt, string outcome, Exception? error)
    {
        if (span is null)
        {
            return;
        }

        span.SetTag(Labels.Outcome, outcome);
        if (outcome is Outcomes.Failed or Outcomes.Retried)
        {
            span.SetTag(Labels.ErrorType, attempt.ErrorType ?? Labels.Other).SetStatus(ActivityStatusCode.Error, error?.Message);
        }

        if (error is not null && span.IsAllDataRequested)
        {
            span.AddException(error);
        }

        span.Dispose();
    }
}
