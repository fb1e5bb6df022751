using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Producer;

/// <summary>What all limiters of a process share: asking, giving back, and hearing that there may be room.</summary>
internal sealed class PermitDesk : IDisposable
{
    private readonly LimitStore _store;
    private readonly Session _session;
    private readonly Admissions _admissions;
    private readonly IDisposable _listening;
    private readonly Lock _lock = new();
    private TaskCompletionSource _bell = NewBell();
    private List<(Guid Hold, Action Then)> _returned = [];
    private bool _returning;

    public PermitDesk(LimitStore store, Session session, Admissions admissions, Signals signals, TimeProvider time, ILogger log)
    {
        (_store, _session, _admissions, Time, Log) = (store, session, admissions, time, log);
        _listening = signals.On("gates", _ => Interlocked.Exchange(ref _bell, NewBell()).TrySetResult());
    }

    public TimeProvider Time { get; }

    public ILogger Log { get; }

    public Lease Session => _session.Current;

    /// <summary>Ends when limits have changed, or a dead process has left slots behind.</summary>
    public Task Bell => Volatile.Read(ref _bell).Task;

    public void Dispose() => _listening.Dispose();

    /// <summary>One try. What it may have taken without our hearing of it is given back.</summary>
    public async Task<TakenPermits> TakeAsync(PermitAsk ask)
    {
        try
        {
            return await _store.TakeAsync(ask, CancellationToken.None); // not cancelled half way: whether it took something would be unknown
        }
        catch
        {
            GiveBack(ask.Hold, () => { });
            throw;
        }
    }

    /// <summary>Behind the caller's back, all that have come together meanwhile at once.</summary>
    public void GiveBack(Guid hold, Action then)
    {
        lock (_lock)
        {
            _returned.Add((hold, then));
            if (_returning)
            {
                return;
            }

            _returning = true;
        }

        _ = Detached.Run(GiveBackAsync);
    }

    private async Task GiveBackAsync()
    {
        while (true)
        {
            List<(Guid Hold, Action Then)> batch;
            lock (_lock)
            {
                if (_returned.Count == 0)
                {
                    _returning = false;
                    return;
                }

                (batch, _returned) = (_returned, []);
            }

            try
            {
                _admissions.Admit(await Transient.RetryAsync(ct => _store.GiveBackAsync([.. batch.Select(b => b.Hold)], ct), "give back slots", Log, CancellationToken.None));
            }
            catch (Exception e)
            {
                Log.SlotsNotGivenBack(batch.Count, e.Message);
            }

            batch.ForEach(b => b.Then());
        }
    }

    private static TaskCompletionSource NewBell() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
