using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Worker;

/// <summary>Jobs that a limit has held back are started by the worker that has made room for them, in one statement: they need no ticket, and the broker has nothing to do.</summary>
internal sealed partial class Claimer
{
    /// <summary>Gates that one statement locks.</summary>
    private const int GatesAtOnce = 200;

    /// <summary>Claims who is next at the gates where jobs of this queue have ended, as many as have ended there. Tickets are sent for those that have room and are of other queues or types, or too many.</summary>
    private async Task FillVacanciesAsync(int most, CancellationToken stop)
    {
        var (gates, ended) = slots.Vacancies.Take();
        if (gates.Length == 0)
        {
            return;
        }

        admissions.Admit(gates[Math.Min(gates.Length, GatesAtOnce)..]);
        gates = gates[..Math.Min(gates.Length, GatesAtOnce)];
        var started = time.GetTimestamp();
        pulse.Begin();
        var lease = session.Current;
        LimitedClaim answer;
        try
        {
            answer = await store.ClaimNextAsync(lease.Id, gates, Math.Min(most, ended), queue, _types, AheadSeconds, _claimed, CancellationToken.None);
            Hold(0, lease);
        }
        catch (Exception e) when (Transient.Is(e) && !stop.IsCancellationRequested)
        {
            // It may have happened although its answer was lost: then what it has claimed runs under our session, and nobody runs it.
            _claimed.Clear();
            log.ClaimRepeated(queue, ended, 1, e.Message);
            await Transient.RetryAsync(ct => AdoptNextAsync(lease, ct), "look for jobs claimed at gates", log, stop);
            admissions.Admit(gates);
            return;
        }

        telemetry.Claimed(queue, _claimed.Count + answer.Blocked, _claimed.Count, answer.Blocked, time.GetElapsedTime(started));
        admissions.Started(queue, _claimed.Count);
        admissions.Admit(answer.Gates);
        await admissions.SendAsync(answer.Tickets, stop);
    }

    private async Task<bool> AdoptNextAsync(Lease lease, CancellationToken ct)
    {
        if (lease == session.Current) // else they are orphans, and rescued
        {
            await AdoptAsync(lease, (found, c) => store.ClaimedAtGatesAsync(lease.Id, queue, _types, found, c), ct);
        }

        return true;
    }
}
