using System.Diagnostics;
using System.Diagnostics.Metrics;
using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>What this room measures: the statements that enqueue. How many jobs come in is counted in <see cref="Coordination.CoordinationTelemetry"/>.</summary>
internal sealed class ProducerTelemetry : IDisposable
{
    private readonly Meter _meter;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _repeated;

    public ProducerTelemetry(IMeterFactory? factory = null)
    {
        _meter = JobsTelemetry.Open(JobsTelemetry.Producer, factory);
        _duration = _meter.CreateHistogram("jobs.enqueue.duration", "s", "From the start of a statement that enqueues to its commit, repetitions included.", advice: JobsTelemetry.ShortSeconds);
        _repeated = _meter.CreateCounter<long>("jobs.enqueue.repeated", "{statement}", "Statements that got no answer and were repeated.");
    }

    public void Written(TimeSpan took) => _duration.Record(took.TotalSeconds);

    public void Repeated() => _repeated.Add(1);

    public void Dispose() => _meter.Dispose();
}

/// <summary>
/// The span of one call that enqueues, "send QUEUE", and the trace its jobs carry: that of the span, or of the caller's where nobody listens to ours.
/// </summary>
internal sealed class Sending : IDisposable
{
    private static readonly ActivitySource Source = new(JobsTelemetry.Producer);

    private readonly Activity? _span;
    private readonly Ties _onlyTrace;
    private string? _queue;
    private string? _type;
    private bool _mixed;
    private long _count;

    private Sending(Activity? span, string trace) => (_span, _onlyTrace) = (span, new Ties { Trace = trace });

    /// <summary>Null: nobody traces, and the jobs carry nothing.</summary>
    public static Sending? Start()
    {
        var span = Source.HasListeners() ? Source.StartActivity("send", ActivityKind.Producer) : null;
        if (Traceparent.Of(span ?? Activity.Current) is { } trace)
        {
            return new Sending(span, trace);
        }

        span?.Dispose(); // not sampled
        return null;
    }

    /// <summary>The job with its trace.</summary>
    public NewJob Carry(NewJob row)
    {
        _count++;
        _mixed |= _queue is not null && (_queue != row.Queue || _type != row.Type);
        (_queue, _type) = (row.Queue, row.Type);
        return row with { Ties = row.Ties is { } ties ? ties with { Trace = _onlyTrace.Trace } : _onlyTrace };
    }

    /// <summary>As <see cref="Carry"/>, of the only job of the call.</summary>
    public NewJob CarryOne(NewJob row)
    {
        _span?.SetTag(Labels.MessageId, row.Id.ToString())?.SetTag(Labels.Priority, (int)row.Priority);
        return Carry(row);
    }

    /// <summary>For a filter of exceptions: notes the error and lets it pass.</summary>
    public static bool Note(Sending? sending, Exception error)
    {
        sending?._span?.SetTag(Labels.ErrorType, error.GetType().FullName)?.SetStatus(ActivityStatusCode.Error, error.Message);
        return false;
    }

    public void Dispose()
    {
        if (_span is not { } span)
        {
            return;
        }

        span.SetTag(Labels.MessagingSystem, Labels.Jobs).SetTag(Labels.OperationName, "send").SetTag(Labels.OperationType, "send");
        if (_queue is not null && !_mixed)
        {
            span.DisplayName = $"send {_queue}"; // jobs of several queues have no destination of their own
            span.SetTag(Labels.Destination, _queue).SetTag(Labels.Type, _type);
        }

        if (_count != 1)
        {
            span.SetTag(Labels.MessageCount, _count);
        }

        span.Dispose();
    }
}
