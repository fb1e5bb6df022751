using Jobs.Postgres;

namespace Jobs.Scheduler;

/// <summary>
/// Counts live jobs for whoever measures: at most every 15 s, never for more than a hundredth of the time (the count reads every live job), and not at all while nobody listens.
/// </summary>
internal sealed class Depths(DepthStore store, SchedulerTelemetry telemetry, TimeProvider time)
{
    private const int Share = 100;

    /// <summary>More series than this help nobody.</summary>
    private const int MostQueues = 200;
    private const int MostLimits = 200;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LookForListeners = TimeSpan.FromSeconds(1);
    private static readonly JobState[] States = [JobState.Pending, JobState.Scheduled, JobState.Queued, JobState.Blocked, JobState.Running];

    private static readonly string[] TransactionStates = ["running", "committing", "aborting", "parked"];

    private readonly SortedSet<string> _seen = new(StringComparer.Ordinal);

    /// <returns>How long to wait for the next count.</returns>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        if (!telemetry.CountsDepths)
        {
            return LookForListeners;
        }

        var started = time.GetTimestamp();
        var found = await store.DepthsAsync(ct);
        telemetry.Limits = [.. (await store.LimitsAsync(ct)).Take(MostLimits)];
        var transactions = await store.TransactionsAsync(ct);
        telemetry.Transactions = [.. TransactionStates.Select(s => transactions.Find(t => t.State == s) ?? new TransactionDepth(s, 0, 0, TimeSpan.Zero))];
        var took = time.GetElapsedTime(started);
        _seen.UnionWith(found.Select(d => d.Queue).Take(MostQueues));

        // A queue that is empty now is 0 in every state: a series that ends says nothing.
        telemetry.Depths = [.. _seen.Take(MostQueues).Select(queue =>
        {
            var depth = found.Find(d => d.Queue == queue);
            return new QueueDepth(queue, States.ToDictionary(s => s, s => depth?.Live.GetValueOrDefault(s) ?? 0), depth?.Oldest ?? TimeSpan.Zero);
        })];
        return took * Share > Interval ? took * Share : Interval;
    }

    /// <summary>Somebody else leads, and counts.</summary>
    public void Forget()
    {
        _seen.Clear();
        telemetry.Depths = [];
        telemetry.Limits = [];
        telemetry.Transactions = [];
    }
}
