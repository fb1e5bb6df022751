using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Scheduler;

/// <summary>Notices dead processes and has their jobs run again. Every statement is guarded, so any number of schedulers may do this at once.</summary>
internal sealed class Rescuer(
    RepairStore store, TicketPublisher tickets, Admissions admissions, IOptions<JobsOptions> options, SchedulerTelemetry telemetry, CoordinationTelemetry counts, TimeProvider time, ILogger<Rescuer> log)
{
    /// <summary>A job that has killed its worker this often is not tried again.</summary>
    public const int PoisonAfter = 3;

    private const int Batch = 1000;

    /// <summary>
    /// Orphans without a death in the same sweep are rare (a claim that was committed late), and looking for them reads all live jobs: it is done every five
    /// seconds, and less often where it would take more than a hundredth of the time.
    /// </summary>
    private const int LateShare = 100;

    private static readonly TimeSpan LateInterval = TimeSpan.FromSeconds(5);

    /// <summary>A process takes its lock again well within the second of these, if it lives and only its connection broke.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(0.7);

    private Guid[] _suspects = [];
    private bool _owed = true;  // a rescue that is due since a death, until it has succeeded
    private long _rescuedAt;
    private TimeSpan _took;

    /// <returns>When to look again.</returns>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        List<SuspectSession> found;
        try
        {
            found = await store.SweepSessionsAsync(options.Value.SessionTtl, _suspects, ct);
        }
        catch
        {
            _suspects = []; // it takes two looks in a row, and this was none
            throw;
        }

        foreach (var session in found.Where(s => s.Ended))
        {
            log.SessionDead(session.Id, session.Host, session.ProcessId, session.Silent ? "no heartbeat" : "its lock is gone", session.HeartbeatAge);
        }

        telemetry.Dead(found.Count(s => s.Ended));
        _suspects = [.. found.Where(s => !s.Ended).Select(s => s.Id)];
        _owed |= found.Exists(s => s.Ended);
        var since = time.GetElapsedTime(_rescuedAt);
        if (_owed || (since > LateInterval && since > LateShare * _took))
        {
            var started = time.GetTimestamp();
            await RescueAsync(ct);
            (_owed, _rescuedAt, _took) = (false, time.GetTimestamp(), time.GetElapsedTime(started));
        }

        return _suspects.Length > 0 ? SecondLook : Interval;
    }

    private async Task RescueAsync(CancellationToken ct)
    {
        while (true)
        {
            var orphans = await store.RescueIfOrphanedAsync(Batch, PoisonAfter, ct);
            foreach (var poison in orphans.Where(o => o.Dispatch < 0))
            {
                telemetry.Poisoned(poison.Queue);
                counts.Ended(poison.Queue, poison.Type, JobState.Failed, 1);
                log.Poison(poison.Id, poison.Type, PoisonAfter);
            }

            var back = orphans.FindAll(o => o.Dispatch > 0);
            if (back.Count > 0)
            {
                log.Rescued(back.Count);
                await tickets.SendAsync(back, ct);
            }

            telemetry.Rescued(orphans.Where(o => o.Dispatch >= 0));
            if (orphans.Count > 0)
            {
                await admissions.AdmitAllAsync(ct); // to the slots that the dead have left
            }

            if (orphans.Count < Batch)
            {
                return;
            }
        }
    }
}
