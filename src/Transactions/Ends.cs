using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Transactions;

/// <summary>
/// Who waits for the end of transactions: those in this process, and by their sessions those in others. Whoever ends one tells the sessions that wait (<c>ended ID</c>, as of jobs). That is a hint: each looks
/// for itself, first, when it is told, and now and then.
/// </summary>
internal sealed class Ends : IDisposable, IAsyncDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly TransactionStore _store;
    private readonly Session _session;
    private readonly Signals _signals;
    private readonly ILogger<Ends> _log;
    private readonly IDisposable[] _listeners;
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, List<Waiter>> _waiters = [];
    private List<Guid> _ended = [];
    private Task _telling = Task.CompletedTask;

    public Ends(TransactionStore store, Session session, Signals signals, ILogger<Ends> log)
    {
        (_store, _session, _signals, _log) = (store, session, signals, log);
        _listeners = [signals.On("ended", Heard), signals.On(Signals.Reconnected, _ => Heard(null))];
    }

    /// <summary>From here on until it is disposed, the waiter is told.</summary>
    public Waiter Join(Guid id)
    {
        var waiter = new Waiter(this, id);
        lock (_gate)
        {
            if (!_waiters.TryGetValue(id, out var all))
            {
                _waiters.Add(id, all = []);
            }

            all.Add(waiter);
        }

        return waiter;
    }

    /// <summary>This one has ended, by a commit of this process. Those who wait for it are told soon, together with those of what ends meanwhile.</summary>
    public void Tell(Guid id)
    {
        lock (_gate)
        {
            _ended.Add(id);
            if (_ended.Count == 1)
            {
                var before = _telling;
                _telling = Detached.Run(() => TellAsync(before));
            }
        }
    }

    public void Dispose()
    {
        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Dispose();
        await _telling.WaitAsync(Grace).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // a hint is not worth more
    }

    private async Task TellAsync(Task before)
    {
        await before;
        List<Guid> ended;
        lock (_gate)
        {
            (ended, _ended) = (_ended, []);
        }

        try
        {
            await _store.TellEndedAsync(ended);
        }
        catch (Exception e)
        {
            _log.EndsNotTold(ended.Count, e.Message); // who waits looks by itself, and who watches finds nothing to do
        }
    }

    /// <summary>Null: what was said meanwhile was not heard.</summary>
    private void Heard(string? ids)
    {
        lock (_gate)
        {
            if (ids is null)
            {
                foreach (var waiter in _waiters.Values.SelectMany(w => w))
                {
                    waiter.Wake();
                }

                return;
            }

            foreach (var part in ids.AsSpan().Split(','))
            {
                if (_waiters.Count > 0 && Guid.TryParse(ids.AsSpan(part), out var id) && _waiters.TryGetValue(id, out var told))
                {
                    told.ForEach(w => w.Wake());
                }
            }
        }
    }

    private void Leave(Waiter waiter)
    {
        lock (_gate)
        {
            var all = _waiters[waiter.Id];
            all.Remove(waiter);
            if (all.Count == 0)
            {
                _waiters.Remove(waiter.Id);
            }
        }
    }

    /// <summary>One who waits for one transaction.</summary>
    internal sealed class Waiter(Ends ends, Guid id) : IDisposable
    {
        private volatile TaskCompletionSource _told = New();

        public Guid Id => id;

        /// <summary>Has this session told. Before the look that decides whether to wait: an end that comes after that look finds it. Repeated, because a server that crashed has forgotten who waits.</summary>
        /// <returns>False: there are no signals now.</returns>
        public async Task<bool> WatchAsync(CancellationToken ct)
        {
            _told = New();
            if (!ends._signals.Listening || ends._session.Life is not { } life)
            {
                return false;
            }

            await ends._store.WatchEndAsync(id, life.Id, ct);
            return true;
        }

        /// <summary>Ends when it was told, or after this time.</summary>
        /// <returns>It was told.</returns>
        public async Task<bool> PauseAsync(TimeSpan most, TimeProvider time, CancellationToken ct)
        {
            var told = _told.Task;
            await told.WaitAsync(most, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ct.ThrowIfCancellationRequested();
            return told.IsCompleted;
        }

        public void Wake() => _told.TrySetResult();

        public void Dispose() => ends.Leave(this);

        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
