using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>Ends waiting jobs that are no longer worth starting. A claim refuses them anyway; this is what makes their end known while they wait.</summary>
internal sealed class Expirer(RepairStore store, Followers followers, CoordinationTelemetry telemetry, ILogger<Expirer> log)
{
    /// <summary>The promise is five seconds.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private const int Batch = 1000;

    public async Task RunOnceAsync(CancellationToken ct)
    {
        var sum = 0;
        EndReport expired;
        do
        {
            expired = await store.ExpireIfWaitingAsync(Batch, ct);
            sum += expired.Written;
            telemetry.Ended(JobState.Expired, expired.Written);
            await followers.TellNowAsync(expired.Followed, ct);
        }
        while (expired.Written == Batch);
        if (sum > 0)
        {
            log.Expired(sum);
        }
    }
}
