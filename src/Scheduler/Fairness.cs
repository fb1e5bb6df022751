using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Finishes what the setting of a queue's fairness began: jobs that waited then get their values although whoever set it died, and a queue that is fair no more is forgotten when its last job
/// that has a value is gone. Without such a queue this is two looks a second at an empty table.
/// </summary>
internal sealed class Fairness(FairStore store, ILogger<Fairness> log)
{
    public async Task RunOnceAsync(CancellationToken ct)
    {
        foreach (var (queue, setAt) in await store.UnfilledAsync(ct))
        {
            await store.FillAsync(queue, ct);
            await store.MarkFilledAsync(queue, setAt, ct);
            log.FairQueueFilled(queue);
        }

        if (await store.ForgetAsync(ct) is > 0 and var gone)
        {
            log.FairnessForgotten(gone);
        }
    }
}
