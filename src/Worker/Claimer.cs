using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Worker;

/// <summary>
/// X2 to X4 for one queue: takes the tickets that are in the buffer, as many as slots are free, claims them in one statement, acknowledges them in one,
/// and starts their handlers. It never waits for more tickets than there are.
/// </summary>
internal sealed partial class Claimer(
    string queue, Slots slots, TicketConsumer consumer, JobStore store, QueueStore queues, Admissions admissions, Executor executor, Running running, Session session,
    IReadOnlyDictionary<string, HandlerEntry> handlers, Action onPaused, WorkerTelemetry telemetry, Pulse pulse, TimeProvider time, ILogger log)
{
    private const int MaxBatch = 500;

    /// <summary>A job that a rate will let start this soon is claimed, and waits in its slot: starts are then as far apart as the rate says, but for the timer. Any other waits in the database.</summary>
    private const double AheadSeconds = 0.1;

    private readonly Prefetch _prefetch = new(slots.Share, time);
    private readonly string[] _types = [.. handlers.Keys];
    private readonly List<Delivery> _tickets = [];
    private readonly List<Garbage> _garbage = [];
    private readonly List<ClaimedJob> _claimed = [];
    private readonly List<Attempt> _attempts = []; // of what is in _claimed
    private readonly HashSet<string> _warned = [];
    private bool _limited; // limits may apply here, or the queue is fair, so claims ask for that
    private long _grants = -1; // of slots, when it was looked last
    private int _ahead;    // slots taken for tickets whose handlers are not started yet

    /// <summary>The queue as it is now.</summary>
    public LineState State => new(queue, slots.Most, Math.Max(0, slots.Taken - Volatile.Read(ref _ahead)), consumer.Buffered, consumer.Window, consumer.IsConsuming);

    /// <summary>Ends when nothing runs any more (true) or at <paramref name="giveUp"/> (false). Only after <see cref="RunAsync"/> has ended.</summary>
    public Task<bool> WaitIdleAsync(CancellationToken giveUp) => slots.WaitIdleAsync(giveUp);

    /// <summary>
    /// Called each second or two, and when the number of slots may have changed: the prefetch follows it. Tickets beyond it go back to the broker, and so do those that were fetched at the pace of quick
    /// jobs by a queue whose turn in its pool does not come now: other workers can run them.
    /// </summary>
    public void Follow()
    {
        if (_prefetch.Follow(slots.Share) || (slots.IsStarved(ref _grants) && _prefetch.Reset()))
        {
            consumer.Reopen(_prefetch.Current);
        }
    }

    /// <summary>
    /// Takes tickets until <paramref name="leave"/>; what it has taken by then is run. At <paramref name="stop"/>, which implies the other, what was claimed but not started is handed
    /// back with the session's other attempts.
    /// </summary>
    public async Task RunAsync(CancellationToken leave, CancellationToken stop)
    {
        slots.Vacancies.Open();
        try
        {
            await TakeAllAsync(leave, stop);
        }
        finally
        {
            admissions.Admit(slots.Vacancies.Close());
        }
    }

    private async Task TakeAllAsync(CancellationToken leave, CancellationToken stop)
    {
        Task<bool>? tickets = null;
        while (!leave.IsCancellationRequested)
        {
            try
            {
                tickets ??= consumer.WaitAsync(leave).AsTask();
                if (!tickets.IsCompleted && slots.Vacancies.Count == 0)
                {
                    slots.Rest();
                    await Task.WhenAny(tickets, slots.Vacancies.Offered);
                }

                if (tickets.IsCompleted)
                {
                    if (!await tickets)
                    {
                        return;
                    }

                    tickets = null;
                }

                var ahead = await slots.TakeAsync(MaxBatch, leave);
                Volatile.Write(ref _ahead, ahead);
                try
                {
                    pulse.Begin();
                    try
                    {
                        await TakeAsync(ahead, stop);
                    }
                    finally
                    {
                        ahead -= Start(stop); // also what was claimed before something else failed
                        Volatile.Write(ref _ahead, ahead);
                    }

                    pulse.Rest();
                    await AdjustAsync(stop);

                    // Get in line behind the handlers just started: those that are quick have given their slots back by then, and the next batch is a full one.
                    await Task.Yield();
                }
                finally
                {
                    if (ahead > 0)
                    {
                        slots.Release(ahead);
                    }

                    Volatile.Write(ref _ahead, 0);
                }
            }
            catch (OperationCanceledException) when (leave.IsCancellationRequested)
            {
                pulse.Rest();
                return;
            }
            catch (Exception e)
            {
                pulse.Rest();
                slots.Rest();
                log.ClaimerFailed(queue, e);
                consumer.Break("its tickets were not claimed"); // the broker delivers them again
                await Task.Delay(TimeSpan.FromSeconds(1), time, leave).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task AdjustAsync(CancellationToken stop)
    {
        if (_prefetch.Adjust(_claimed.Count))
        {
            var window = _prefetch.Current;
            await consumer.ResizeAsync(window, stop);
            if (_prefetch.Current is var now && now != window)
            {
                consumer.Reopen(now); // the slots were changed meanwhile
            }
        }
    }

    private async Task TakeAsync(int most, CancellationToken stop)
    {
        _tickets.Clear();
        _garbage.Clear();
        _claimed.Clear();
        _attempts.Clear();
        if (slots.Vacancies.Count > 0)
        {
            await FillVacanciesAsync(most, stop);
        }

        var ready = _claimed.Count;
        Delivery last = default;
        while (_tickets.Count < most - ready && _garbage.Count < MaxBatch && consumer.TryTake(out var delivery))
        {
            last = delivery;
            if (delivery.Garbage is { } garbage)
            {
                _garbage.Add(garbage);
            }
            else if (delivery.IsTicket)
            {
                _tickets.Add(delivery);
            }
        }

        slots.Drawn();
        if (last.Tag == 0)
        {
            return; // what was in the buffer belonged to a channel that is gone
        }

        if (_garbage.Count > 0)
        {
            await consumer.SetAsideAsync(_garbage, stop);
        }

        if (_tickets.Count > 0 && !await ClaimAsync(stop))
        {
            onPaused(); // not acknowledged: they go back to the broker
            return;
        }

        CrashPoint.Hit("X3");
        await consumer.AckThroughAsync(last, stop);
        CrashPoint.Hit("X4");
    }

    /// <returns>False: the queue is paused, or was just now, and the tickets are as valid as before.</returns>
    private async Task<bool> ClaimAsync(CancellationToken stop)
    {
        _tickets.Sort(static (a, b) => a.Id.Value.CompareTo(b.Id.Value)); // the same order for everyone: no deadlocks
        var ids = _tickets.ConvertAll(t => t.Id.Value).ToArray();
        var dispatches = _tickets.ConvertAll(t => t.Dispatch).ToArray();
        var started = time.GetTimestamp();
        Lease? doubtful = null;
        var ready = _claimed.Count;
        var (blocked, fair) = (0, false);
        for (var n = 1; ; n++)
        {
            pulse.Begin();
            var lease = session.Current;
            try
            {
                if (doubtful == lease)
                {
                    await AdoptAsync(lease, ids, stop); // under an older lease they are orphans, and rescued
                }

                var (before, repeated) = (_claimed.Count, doubtful == lease);
                doubtful = lease;
                (blocked, fair) = await ClaimOnceAsync(lease, ids, dispatches);
                Hold(before, lease);
                if (repeated)
                {
                    await AdoptAsync(lease, ids, stop); // the lost one may have been committed only now, while this one waited for its rows
                }

                break;
            }
            catch (Exception e) when (Transient.Is(e) && !stop.IsCancellationRequested)
            {
                // The claim may have happened although its answer was lost: then its jobs run under our session and nobody runs them.
                _claimed.RemoveAll(c => !running.Holds(c.Id, c.Attempt));
                log.ClaimRepeated(queue, ids.Length, n, e.Message);
                await Task.Delay(Transient.Delay(n), time, stop);
            }
        }

        telemetry.Claimed(queue, ids.Length, _claimed.Count - ready, blocked, time.GetElapsedTime(started));
        if (_claimed.Count == ready && blocked == 0 && !fair && await Transient.RetryAsync(ct => queues.StillClaimableAsync(ids, dispatches, queue, _types, ct), "look at refused tickets", log, stop))
        {
            return false;
        }

        if (_claimed.Count - ready < ids.Length)
        {
            await ReleaseUnhandledAsync(ids, dispatches, stop);
        }

        return true;
    }

    /// <summary>One claim, of the kind that the limits here ask for. In a fair queue it takes as many jobs as there are tickets, whichever those name.</summary>
    /// <returns>How many are blocked now by a limit; whether the queue is fair: its tickets are used up, also when nothing waits there any more.</returns>
    private async Task<(int Blocked, bool Fair)> ClaimOnceAsync(Lease lease, Guid[] ids, int[] dispatches)
    {
        var before = _claimed.Count;
        while (true)
        {
            if (_limited)
            {
                var answer = await store.ClaimLimitedAsync(lease.Id, ids, dispatches, queue, _types, AheadSeconds, _claimed, CancellationToken.None);
                admissions.Admit(answer.Gates);
                if (!answer.Unlimited)
                {
                    return (answer.Blocked, answer.Fair);
                }
            }
            else
            {
                await store.ClaimIfQueuedAsync(lease.Id, ids, dispatches, queue, _types, _claimed, CancellationToken.None);
                if (_claimed.Count > before || !await store.IsLimitedAsync(queue, _types, CancellationToken.None))
                {
                    return (0, false);
                }
            }

            _limited = !_limited; // a rule or fairness was set, or the last one removed
        }
    }

    private async Task AdoptAsync(Lease lease, Guid[] ids, CancellationToken stop)
    {
        await AdoptAsync(lease, (found, ct) => store.ClaimedBySessionAsync(lease.Id, ids, queue, _types, found, ct), stop);
    }

    /// <summary>Whatever of that this process does not run. What it runs when the look begins may have ended when its answer comes, and is not to be started again.</summary>
    private async Task AdoptAsync(Lease lease, Func<List<ClaimedJob>, CancellationToken, Task> look, CancellationToken ct)
    {
        var held = running.All.Select(a => (a.Job.Id, a.Job.Attempt)).ToHashSet();
        List<ClaimedJob> found = [];
        await look(found, ct);
        found.RemoveAll(c => held.Contains((c.Id, c.Attempt)) || running.Holds(c.Id, c.Attempt));
        var before = _claimed.Count;
        _claimed.AddRange(found);
        Hold(before, lease);
    }

    private void Hold(int from, Lease lease)
    {
        for (var i = from; i < _claimed.Count; i++)
        {
            var attempt = new Attempt(_claimed[i], queue, lease, handlers[_claimed[i].Type]);
            running.Add(attempt);
            _attempts.Add(attempt);
        }
    }

    private async Task ReleaseUnhandledAsync(Guid[] ids, int[] dispatches, CancellationToken stop)
    {
        try
        {
            foreach (var type in await store.ReleaseIfUnhandledAsync(ids, dispatches, queue, _types, stop))
            {
                if (_warned.Add(type))
                {
                    log.TypeUnknown(type, queue);
                }
            }
        }
        catch (Exception e) when (!stop.IsCancellationRequested)
        {
            // Whatever it is: what was claimed beside them is to be started.
            log.ReleaseFailed(queue, e.Message); // their tickets are used up; the reconciler sends them again
        }
    }

    /// <returns>How many slots are in use now; each is released when its handler has returned.</returns>
    private int Start(CancellationToken stop)
    {
        if (stop.IsCancellationRequested)
        {
            return 0;
        }

        foreach (var attempt in _attempts)
        {
            executor.Start(attempt, slots);
        }

        var started = _attempts.Count;
        _attempts.Clear();
        return started;
    }
}
