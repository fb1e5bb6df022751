using System.Diagnostics;
using System.Diagnostics.Metrics;
using Jobs.Coordination;

namespace Jobs.Transactions;

/// <summary>What beginning and coordinating measure. What follows from a message is counted after its commit, so once, whichever coordinator did it. docs/OPERATIONS.md is the dictionary.</summary>
internal sealed class TransactionTelemetry : IDisposable
{
    private static readonly ActivitySource Source = new(JobsTelemetry.Transactions);

    private readonly Meter _meter;
    private readonly Counter<long> _begun;
    private readonly Counter<long> _ended;
    private readonly Counter<long> _parked;
    private readonly Counter<long> _messages;
    private readonly Counter<long> _late;
    private readonly Histogram<double> _deciding;
    private readonly Histogram<double> _ending;

    public TransactionTelemetry(IMeterFactory? factory = null)
    {
        _meter = JobsTelemetry.Open(JobsTelemetry.Transactions, factory);
        _begun = _meter.CreateCounter<long>("jobs.transactions.begun", "{transaction}", "Transactions that this process has begun; in a transaction of the caller: that it has asked to begin.");
        _ended = _meter.CreateCounter<long>("jobs.transactions.ended", "{transaction}", "Transactions whose last branch has done what was decided.");
        _parked = _meter.CreateCounter<long>("jobs.transactions.parked", "{transaction}", "Times that a transaction was parked for an operator.");
        _messages = _meter.CreateCounter<long>("jobs.transactions.messages", "{message}", "Messages that this coordinator has handled.");
        _late = _meter.CreateCounter<long>("jobs.transactions.answers.late", "{message}", "Answers of participants that came late or twice, and changed nothing.");
        _deciding = _meter.CreateHistogram("jobs.transactions.decision.duration", "s", "From the beginning of a transaction to its decision, by the database clock.", advice: JobsTelemetry.Seconds);
        _ending = _meter.CreateHistogram("jobs.transactions.end.duration", "s", "From the decision to the end of the last branch, by the database clock.", advice: JobsTelemetry.Seconds);
    }

    /// <summary>The span of a beginning; the jobs of the first stage and the decision are linked to it.</summary>
    public static Activity? StartBegin(TransactionPlan plan) => Source.HasListeners()
        ? Source.StartActivity($"start {plan.Name}", ActivityKind.Producer)?.SetTag(Labels.Transaction, plan.Id.ToString()).SetTag(Labels.Mode, StateWords.Of(plan.Mode)) : null;

    /// <summary>The span of one message's work, linked to the beginning; what is asked for in it is linked to it in turn.</summary>
    public static Activity? StartTurn(TransactionRow row, string message)
    {
        if (row.Trace is null || !Source.HasListeners() || !ActivityContext.TryParse(row.Trace, null, isRemote: true, out var begun))
        {
            return null;
        }

        return Source.StartActivity($"coordinate {row.Name}", ActivityKind.Consumer, parentContext: default, [Labels.Of(Labels.Transaction, row.CorrelationId.ToString()), Labels.Of(Labels.Type, message)], [new ActivityLink(begun)]);
    }

    public void Begun(TransactionPlan plan) => _begun.Add(1, Labels.Of(Labels.Mode, StateWords.Of(plan.Mode)));

    /// <param name="row">As it is committed.</param>
    /// <param name="before">As it was.</param>
    /// <param name="heard">What came, and whether it said nothing new.</param>
    public void Handled(TransactionRow row, Before before, IReadOnlyList<(string Message, bool Late)> heard)
    {
        foreach (var (message, late) in heard)
        {
            _messages.Add(1, Labels.Of(Labels.Type, message));
            if (late)
            {
                _late.Add(1);
            }
        }

        var (mode, outcome) = (Labels.Of(Labels.Mode, StateWords.Of(row.Mode)), Labels.Of(Labels.Outcome, row.Commit == true ? "committed" : "aborted"));
        if (row.DecidedAt is { } decided && before.DecidedAt is null)
        {
            _deciding.Record(Math.Max(0, (decided - row.CreatedAt).TotalSeconds), mode, outcome);
        }

        if (row.EndedAt is { } ended && before.EndedAt is null)
        {
            _ended.Add(1, mode, outcome);
            _ending.Record(Math.Max(0, (ended - row.DecidedAt!.Value).TotalSeconds), mode, outcome);
        }

        if (row.State == nameof(TransactionState.Parked) && before.State != row.State)
        {
            _parked.Add(1, mode);
        }
    }

    public void Dispose() => _meter.Dispose();

    /// <summary>What a turn found.</summary>
    internal readonly record struct Before(string State, DateTimeOffset? DecidedAt, DateTimeOffset? EndedAt);
}
