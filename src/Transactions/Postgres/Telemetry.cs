using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Jobs.Transactions;

/// <summary>What Postgres as a participant measures, one value for each participant database of this process. docs/OPERATIONS.md is the dictionary.</summary>
internal sealed class ParticipantTelemetry : IDisposable
{
    private readonly Meter _meter;
    private readonly Counter<long> _reaped;
    private readonly ConcurrentDictionary<string, (int Count, double Oldest)> _prepared = new();

    public ParticipantTelemetry(IMeterFactory? factory = null)
    {
        _meter = JobsTelemetry.Open(JobsTelemetry.Transactions, factory);
        _reaped = _meter.CreateCounter<long>("jobs.transactions.reaped", "{branch}", "Prepared branches that nobody had ended and that the sweep ended by asking for the decision.");
        _meter.CreateObservableUpDownCounter("jobs.transactions.prepared", () => _prepared.Select(p => new Measurement<long>(p.Value.Count, Labels.Of(Labels.Database, p.Key))), "{branch}",
            "Branches that are prepared in a participant database, at the last sweep.");
        _meter.CreateObservableGauge("jobs.transactions.prepared.oldest", () => _prepared.Select(p => new Measurement<double>(p.Value.Oldest, Labels.Of(Labels.Database, p.Key))), "s",
            "For how long the oldest of them has been prepared; 0 when there is none.");
    }

    public void Reaped(string database, Decision decision) => _reaped.Add(1, Labels.Of(Labels.Database, database), Labels.Of(Labels.Outcome, decision == Decision.Commit ? "committed" : "aborted"));

    public void Prepared(string database, int count, double oldestSeconds) => _prepared[database] = (count, oldestSeconds);

    public void Dispose() => _meter.Dispose();
}
