using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Sees to it that a request to cancel a running job holds for the job and not only for the attempt that ran then: what waits again (a retry, a rescue, a hand-back) ends
/// here, and what runs again elsewhere is told there. With no requests it costs three looks into an empty table a second.
/// </summary>
internal sealed class Canceller(RepairStore store, Followers followers, CoordinationTelemetry telemetry, ILogger<Canceller> log)
{
    private const int Batch = 1000;

    public async Task RunOnceAsync(CancellationToken ct)
    {
        EndReport cancelled;
        do
        {
            cancelled = await store.CancelIfRequestedAsync(Batch, ct);
            if (cancelled.Written > 0)
            {
                log.CancelledWaiting(cancelled.Written);
                telemetry.Ended(JobState.Cancelled, cancelled.Written);
            }

            followers.Tell(cancelled.Followed);
        }
        while (cancelled.Written == Batch);
        await store.RenewCancelRequestsAsync(ct);
    }
}
