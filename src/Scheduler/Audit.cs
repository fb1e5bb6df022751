using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Counts what should be impossible, and what had to be mended: jobs without a way forward, rows and tickets out of step, late writes, poison, doubled occurrences, missing partitions.
/// `jobs doctor` shows it. One look reads all live jobs, so it is taken every ten seconds but never for more than a hundredth of the time.
/// </summary>
internal sealed class Audit(AuditStore store, TimeProvider time, ILogger<Audit> log)
{
    private const int Share = 100;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly HashSet<string> _said = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _seen = new(StringComparer.Ordinal);
    private bool _looked;

    /// <returns>How long to wait for the next look.</returns>
    public async Task<TimeSpan> RunOnceAsync(Lead lead, CancellationToken ct)
    {
        var started = time.GetTimestamp();
        var findings = (await store.LookAsync(ct)).ConvertAll(Confirmed);
        await store.PutIfLeaderAsync(findings, lead.Epoch, lead.Session, ct);
        foreach (var finding in findings)
        {
            Say(finding);
        }

        var rest = _looked ? Share * time.GetElapsedTime(started) : Interval; // the first look takes long because its code is compiled in it
        _looked = true;
        return rest > Interval ? rest : Interval;
    }

    /// <summary>
    /// Jobs without a way forward must be seen in two looks: when a pause, an outage or a time without schedulers is just over, some wait for an instant longer than anybody should.
    /// </summary>
    private Finding Confirmed(Finding finding)
    {
        if (!IsStuck(finding))
        {
            return finding;
        }

        var before = _seen.GetValueOrDefault(finding.Name);
        _seen[finding.Name] = finding.Value;
        return before > 0 ? finding with { Value = Math.Min(before, finding.Value) } : finding with { Value = 0, Oldest = null, Detail = null };
    }

    private static bool IsStuck(Finding finding) => finding.Name.EndsWith("-stuck", StringComparison.Ordinal);

    /// <summary>Jobs without a way forward are worth a line in the log when they appear; the rest has been logged by whoever met it.</summary>
    private void Say(Finding finding)
    {
        if (finding.Value == 0)
        {
            _said.Remove(finding.Name);
        }
        else if (IsStuck(finding) && _said.Add(finding.Name))
        {
            log.Found(finding.Name, finding.Value, finding.Oldest);
        }
    }
}
