using Jobs.Postgres;

namespace Jobs.Scheduler;

/// <summary>Sums what ended in each window of 10 s, a few seconds after it is over, so that rates are read from few rows and not from history.</summary>
internal sealed class Throughput(ThroughputStore store)
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(100);

    private DateTimeOffset? _summedTo;

    /// <returns>How long to wait for the next window.</returns>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        while (true)
        {
            var (from, to, next) = await store.ClosedWindowsAsync(_summedTo, ct);
            if (to <= from)
            {
                await store.ForgetAsync(ct);
                return next > Soon ? next : Soon;
            }

            await store.SumAsync(from, to, ct);
            _summedTo = to;
        }
    }
}
