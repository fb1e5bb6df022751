using Jobs.Coordination;

namespace Jobs.Scheduler;

/// <summary>What the leading scheduler does, one service a file. Each says how long to wait before it is run again.</summary>
internal sealed class LeaderServices(
    DueJobs due, Recurring recurring, Reconciler reconciler, Expirer expirer, TieSweep ties, Canceller canceller, Ageing ageing, Fairness fairness, Throughput throughput, Gatekeeper gatekeeper, Retention retention, Audit audit, Depths depths)
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    public IEnumerable<(string Name, Func<CancellationToken, Task<TimeSpan>> Once)> Of(Lead lead) =>
    [
        ("Due jobs", due.RunOnceAsync),
        ("Schedules", recurring.LeadOnceAsync),
        ("Reconciler", Each(Second, ct => reconciler.RunOnceAsync(lead, ct))),
        ("Expirer", Each(Expirer.Interval, expirer.RunOnceAsync)),
        ("Tie sweep", ties.RunOnceAsync),
        ("Canceller", Each(Second, canceller.RunOnceAsync)),
        ("Gatekeeper", gatekeeper.RunOnceAsync),
        ("Ageing", Each(Second, ageing.RunOnceAsync)),
        ("Fairness", Each(Second, fairness.RunOnceAsync)),
        ("Throughput", throughput.RunOnceAsync),
        ("Retention", Each(Retention.Interval, retention.RunOnceAsync)),
        ("Audit", ct => audit.RunOnceAsync(lead, ct)),
        ("Depths", depths.RunOnceAsync),
    ];

    /// <summary>The lead is over: nothing that only the leader tells is told any more.</summary>
    public void Ended() => depths.Forget();

    private static Func<CancellationToken, Task<TimeSpan>> Each(TimeSpan interval, Func<CancellationToken, Task> once) => async ct =>
    {
        await once(ct);
        return interval;
    };
}
