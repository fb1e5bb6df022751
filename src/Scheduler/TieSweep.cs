using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Mends what a crash left between the end of a job and the telling of those that wait for it, settles batches that nobody settled, and clears away held keys
/// and watches that are over. All of it is guarded, and nothing that this finds in the ordinary course of things is an error: ends are told behind the back of whoever writes them.
/// </summary>
internal sealed class TieSweep(TieStore ties, RepairStore store, WatchStore watches, Followers followers, TimeProvider time, ILogger<TieSweep> log)
{
    private const int Batch = 1000;

    /// <summary>The look reads every edge, so it is taken each second but never for more than a hundredth of the time.</summary>
    private const int Share = 100;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ClearInterval = TimeSpan.FromMinutes(1);

    private Guid _batchesAbove;
    private long? _clearedAt;
    private bool _looked;

    /// <returns>How long to wait for the next look.</returns>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        var started = time.GetTimestamp();
        var unsettled = await ties.UnsettledAsync(Batch, _batchesAbove, ct);
        _batchesAbove = unsettled.Batches.Count < Batch ? Guid.Empty : unsettled.Batches.Last(); // round and round
        await followers.TellNowAsync(unsettled, ct);
        if (unsettled.Jobs.Count > 0)
        {
            log.ToldAgain(unsettled.Jobs.Count);
        }

        if (_clearedAt is not { } cleared || time.GetElapsedTime(cleared) > ClearInterval)
        {
            while (await store.ClearHeldKeysAsync(Batch, ct) == Batch)
            {
                // more of them
            }

            await watches.ClearAsync(ct);
            _clearedAt = time.GetTimestamp();
        }

        var rest = _looked ? Share * time.GetElapsedTime(started) : Interval; // the first look takes long because its code is compiled in it
        _looked = true;
        return rest > Interval ? rest : Interval;
    }
}
