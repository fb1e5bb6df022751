using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Scheduler;

/// <summary>Notices dead processes and has their jobs run again. Every statement is guarded, so any number of schedulers may do this at once.</summary>
internal sealed class Rescuer(RepairStore store, TicketPublisher tickets, IOptions<JobsOptions> options, ILogger<Rescuer> log)
{
    /// <summary>A job that has killed its worker this often is not tried again.</summary>
    public const int PoisonAfter = 3;

    private const int Batch = 1000;

    /// <summary>Orphans without a death in the same sweep are rare (a claim that was committed late): looked for every so many sweeps.</summary>
    private const int LateEvery = 5;

    private Guid[] _suspects = [];
    private int _sweeps;

    public async Task RunOnceAsync(CancellationToken ct)
    {
        List<SuspectSession> found;
        try
        {
            found = await store.SweepSessionsAsync(options.Value.SessionTtl, _suspects, ct);
        }
        catch
        {
            _suspects = []; // two sightings a second apart is the rule, and this was none
            throw;
        }

        foreach (var session in found.Where(s => s.Ended))
        {
            log.SessionDead(session.Id, session.Host, session.ProcessId, session.Silent ? "no heartbeat" : "its lock is gone", session.HeartbeatAge);
        }

        _suspects = [.. found.Where(s => !s.Ended).Select(s => s.Id)];
        if (found.Exists(s => s.Ended) || _sweeps++ % LateEvery == 0)
        {
            await RescueAsync(ct);
        }
    }

    private async Task RescueAsync(CancellationToken ct)
    {
        while (true)
        {
            var orphans = await store.RescueIfOrphanedAsync(Batch, PoisonAfter, ct);
            foreach (var poison in orphans.Where(o => o.Dispatch < 0))
            {
                log.Poison(poison.Id, poison.Type, PoisonAfter);
            }

            var back = orphans.FindAll(o => o.Dispatch > 0);
            if (back.Count > 0)
            {
                log.Rescued(back.Count);
                await tickets.SendAsync(back, ct);
            }

            if (orphans.Count < Batch)
            {
                return;
            }
        }
    }
}
