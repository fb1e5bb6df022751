using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Coordination;

/// <summary>
/// After an end: lets those go that waited for it, and their followers in turn, and settles its batch. Behind the back of whoever ended the job, and all that has come
/// together meanwhile at once. A crash or an error before that is mended by the scheduler.
/// </summary>
internal sealed class Followers(TieStore store, TicketPublisher tickets, ILogger<Followers> log)
{
    private readonly Lock _gate = new();
    private readonly HashSet<Guid> _jobs = [];
    private readonly HashSet<Guid> _batches = [];
    private Task _telling = Task.CompletedTask;

    /// <summary>Has them told soon.</summary>
    public void Tell(Followed followed)
    {
        if (followed.IsNothing)
        {
            return;
        }

        lock (_gate)
        {
            var idle = _jobs.Count == 0 && _batches.Count == 0;
            _jobs.UnionWith(followed.Jobs);
            _batches.UnionWith(followed.Batches);
            if (idle)
            {
                _telling = TellAfterAsync(_telling);
            }
        }
    }

    /// <summary>Ends when all that was to be told so far has been.</summary>
    public Task ToldAsync(CancellationToken ct)
    {
        lock (_gate)
        {
            return _telling.WaitAsync(ct);
        }
    }

    private async Task TellAfterAsync(Task before)
    {
        await before;
        await Task.Yield();
        Followed followed;
        lock (_gate)
        {
            followed = new Followed([.. _jobs], [.. _batches]);
            _jobs.Clear();
            _batches.Clear();
        }

        try
        {
            await TellNowAsync(followed, CancellationToken.None);
        }
        catch (Exception e)
        {
            log.FollowersNotTold(followed.Jobs.Count, followed.Batches.Count, e.Message);
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
            }

            if (followed.Batches.Count > 0)
            {
                await tickets.SendAsync(await Transient.RetryAsync(c => store.SettleBatchesAsync(followed.Batches, c), "settle batches", log, ct), ct);
            }

            followed = next;
        }
    }
}
