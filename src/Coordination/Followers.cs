using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Coordination;

/// <summary>
/// After an end: lets those go that waited for it, and their followers in turn, and settles its batch. Behind the back of whoever ended the job, and all that has come
/// together meanwhile at once. A crash or an error before that is mended by the scheduler.
/// </summary>
internal sealed class Followers(TieStore store, WatchStore watches, TicketPublisher tickets, CoordinationTelemetry telemetry, TimeProvider time, ILogger<Followers> log)
{
    /// <summary>
    /// How long the ends of a batch are gathered before it is asked whether it is complete: a batch under way would be asked hundreds of times a second, which took a fifth
    /// of the speed. Its callbacks are that much later.
    /// </summary>
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(25);

    private readonly Lock _gate = new();
    private HashSet<Guid> _jobs = [];
    private HashSet<Guid> _batches = [];
    private Task _telling = Task.CompletedTask;
    private Task _settling = Task.CompletedTask;

    /// <summary>Has them told soon.</summary>
    public void Tell(Followed followed)
    {
        if (followed.IsNothing)
        {
            return;
        }

        lock (_gate)
        {
            if (followed.Jobs.Count > 0)
            {
                var idle = _jobs.Count == 0;
                _jobs.UnionWith(followed.Jobs);
                var before = _telling;
                _telling = idle ? Detached.Run(() => TellAsync(before)) : before;
            }

            if (followed.Batches.Count > 0)
            {
                var idle = _batches.Count == 0;
                _batches.UnionWith(followed.Batches);
                var before = _settling;
                _settling = idle ? Detached.Run(() => SettleAsync(before)) : before;
            }
        }
    }

    /// <summary>Ends when all that was to be told so far has been.</summary>
    public async Task ToldAsync(CancellationToken ct)
    {
        for (Task open; ; await open.WaitAsync(ct))
        {
            lock (_gate)
            {
                open = Task.WhenAll(_telling, _settling); // what is told may have more to tell
                if (open.IsCompleted)
                {
                    return;
                }
            }
        }
    }

    /// <summary>Tells them, and their followers in turn. Each statement is guarded: any number of processes may do this for the same jobs.</summary>
    public async Task TellNowAsync(Followed followed, CancellationToken ct)
    {
        while (!followed.IsNothing)
        {
            var next = Followed.Nothing;
            if (followed.Jobs.Count > 0)
            {
                (var queued, next) = await Transient.RetryAsync(c => store.ReleaseFollowersAsync(followed.Jobs, c), "let followers go", log, ct);
                await tickets.SendAsync(queued, ct);
                await Transient.RetryAsync(c => watches.TellAsync(followed.Jobs, c), "tell of ends", log, ct);
            }

            if (followed.Batches.Count > 0)
            {
                var callbacks = await Transient.RetryAsync(c => store.SettleBatchesAsync(followed.Batches, c), "settle batches", log, ct);
                foreach (var callback in callbacks)
                {
                    telemetry.Enqueued(callback.Queue, callback.Type, "batch", 1);
                }

                await tickets.SendAsync(callbacks, ct);
            }

            followed = next;
        }
    }

    private async Task TellAsync(Task before)
    {
        await before;
        HashSet<Guid> jobs;
        lock (_gate)
        {
            (jobs, _jobs) = (_jobs, []);
        }

        await TryAsync(new Followed(jobs, []));
    }

    private async Task SettleAsync(Task before)
    {
        await before;
        await Task.Delay(Gather, time, CancellationToken.None);
        HashSet<Guid> batches;
        lock (_gate)
        {
            (batches, _batches) = (_batches, []);
        }

        await TryAsync(new Followed([], batches));
    }

    private async Task TryAsync(Followed followed)
    {
        try
        {
            await TellNowAsync(followed, CancellationToken.None);
        }
        catch (Exception e)
        {
            log.FollowersNotTold(followed.Jobs.Count, followed.Batches.Count, e.Message);
        }
    }
}
