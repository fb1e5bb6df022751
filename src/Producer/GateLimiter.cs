using System.Runtime.ExceptionServices;
using System.Threading.RateLimiting;
using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>
/// One gate as a <see cref="RateLimiter"/>. Callers wait in a queue; one pump asks the gate for all of them. Tokens come in blocks: of those of one answer, what nobody has used when their time
/// is over is thrown away, because the bound over any window of time holds only for tokens that are used soon after their permit. So a block may be lost, and is never used late or twice.
/// </summary>
internal sealed class GateLimiter(PermitDesk desk, string rule, string? key, int queueLimit) : RateLimiter
{
    /// <summary>As far ahead as claims of jobs: otherwise jobs would always be first.</summary>
    private static readonly TimeSpan Ahead = TimeSpan.FromMilliseconds(100);

    /// <summary>Slots that others give back are looked for at this pace, slower each time.</summary>
    private static readonly TimeSpan ShortestLook = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(250);

    private readonly Lock _lock = new();
    private readonly LinkedList<PermitWaiter> _queue = [];
    private int _queued;          // permits that its waiters want
    private bool _pumping;
    private int _prefetch;        // what AttemptAcquire did not get
    private bool _counts;         // the rule has slots: nothing can be fetched before it is wanted
    private volatile TaskCompletionSource _returned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _tokens;          // lent to this process, and not used ...
    private long _from;           // ... not before this,
    private long _until;          // ... and before this
    private int _pace = 1;        // how many were used of the last block, or twice as many if it was too small
    private int _block;
    private readonly LoanTimes _loans = new();
    private long? _refusedUntil;
    private Exception? _fault;    // why what AttemptAcquire asked for was not answered
    private long _succeeded;
    private long _failed;
    private int _leases;          // that hold slots
    private long _usedAt = desk.Time.GetTimestamp();
    private bool _disposed;

    /// <summary>Statements so far.</summary>
    public long Asked { get; private set; }

    public override TimeSpan? IdleDuration
    {
        get
        {
            lock (_lock)
            {
                return _queue.Count > 0 || _pumping || _leases > 0 ? null : desk.Time.GetElapsedTime(_usedAt);
            }
        }
    }

    public override RateLimiterStatistics GetStatistics()
    {
        lock (_lock)
        {
            var now = desk.Time.GetTimestamp();
            return new RateLimiterStatistics
            {
                CurrentAvailablePermits = now >= _from && now < _until ? _tokens : 0, CurrentQueuedCount = _queued, TotalSuccessfulLeases = _succeeded, TotalFailedLeases = _failed,
            };
        }
    }

    protected override RateLimitLease AttemptAcquireCore(int permitCount)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (Interlocked.Exchange(ref _fault, null) is { } fault)
            {
                ExceptionDispatchInfo.Throw(fault);
            }

            if (permitCount == 0 ? Refused is null : _queue.Count == 0 && UseTokens(permitCount))
            {
                return Succeed();
            }

            if (!_counts && permitCount > 0 && Refused is null)
            {
                _prefetch = Math.Max(_prefetch, permitCount);
                Pump();
            }

            return Fail(Refused ?? Ahead);
        }
    }

    protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<RateLimitLease>(cancellationToken);
        }

        PermitWaiter waiter;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (permitCount == 0 || (_queue.Count == 0 && UseTokens(permitCount)))
            {
                return new(Succeed());
            }

            // Without room in the queue it is asked for once, and then it has its answer.
            var once = (long)_queued + permitCount > queueLimit;
            if (once && Refused is { } wait)
            {
                return new(Fail(wait));
            }

            waiter = new PermitWaiter(permitCount, once);
            waiter.Node = _queue.AddLast(waiter);
            _queued += permitCount;
            Pump();
        }

        return new(WaitAsync(waiter, cancellationToken));
    }

    protected override void Dispose(bool disposing)
    {
        lock (_lock)
        {
            _disposed = true;
            while (_queue.First is { } first)
            {
                Take(first.Value).Lease.TrySetResult(Fail(null));
            }
        }
    }

    private async Task<RateLimitLease> WaitAsync(PermitWaiter waiter, CancellationToken ct)
    {
        await using var registration = ct.UnsafeRegister((_, token) =>
        {
            lock (_lock)
            {
                if (waiter.Node is not null)
                {
                    Take(waiter).Lease.TrySetCanceled(token);
                }
            }
        }, null);
        return await waiter.Lease.Task;
    }

    // ---- under the lock

    /// <summary>How long nothing can be had, as far as the last answer said; null: it did not.</summary>
    private TimeSpan? Refused => _refusedUntil is { } until && desk.Time.GetTimestamp() is var now && now < until ? desk.Time.GetElapsedTime(now, until) : null;

    private PermitLease Succeed()
    {
        _usedAt = desk.Time.GetTimestamp();
        _succeeded++;
        return PermitLease.Tokens;
    }

    private PermitLease Fail(TimeSpan? retryAfter)
    {
        _failed++;
        return new PermitLease(false, retryAfter);
    }

    private bool UseTokens(int count)
    {
        var now = desk.Time.GetTimestamp();
        if (count > _tokens || now < _from || now >= _until)
        {
            return false;
        }

        _tokens -= count;
        return true;
    }

    private PermitWaiter Take(PermitWaiter waiter)
    {
        _queue.Remove(waiter.Node!);
        waiter.Node = null;
        _queued -= waiter.Count;
        return waiter;
    }

    private void ServeTokens()
    {
        while (_queue.First is { } first && UseTokens(first.Value.Count))
        {
            Take(first.Value).Lease.TrySetResult(Succeed());
        }
    }

    private void Pump()
    {
        if (!_pumping)
        {
            _pumping = true;
            _ = Detached.Run(PumpAsync);
        }
    }

    // ---- the pump

    private async Task PumpAsync()
    {
        for (int refusals = 0, failures = 0; ;)
        {
            TimeSpan early;
            PermitAsk? ask = null;
            try
            {
                lock (_lock)
                {
                    ServeTokens();
                    if (_disposed || (_queue.Count == 0 && (_prefetch == 0 || _counts)))
                    {
                        (_pumping, _prefetch) = (false, 0);
                        return;
                    }

                    var now = desk.Time.GetTimestamp();
                    early = _tokens > 0 && now < _from ? desk.Time.GetElapsedTime(now, _from) : TimeSpan.Zero;
                    ask = early > TimeSpan.Zero ? null : NextAsk();
                }

                if (ask is null)
                {
                    await Task.Delay(early + TimeSpan.FromMilliseconds(1), desk.Time);
                    continue;
                }

                refusals = await AskAsync(ask, refusals) ? 0 : refusals + 1;
                failures = 0;
            }
            catch (Exception e) when (Transient.Is(e) && ++failures < Transient.Few)
            {
                desk.Log.DatabaseTransient("ask for permits", failures, e.Message);
                await Task.Delay(Transient.Delay(failures), desk.Time);
            }
            catch (Exception e)
            {
                failures = 0;
                lock (_lock)
                {
                    _fault = _queue.Count == 0 ? e : null; // for the next AttemptAcquire
                    _prefetch = 0;
                    while (_queue.First is { } first)
                    {
                        Take(first.Value).Lease.TrySetException(e); // whoever waits decides what to do without an answer
                    }
                }
            }
        }
    }

    private PermitAsk NextAsk()
    {
        Asked++;
        var least = _queue.First?.Value.Count ?? _prefetch;
        if (_block > 0)
        {
            _pace = _tokens == 0 ? (int)Math.Min(1_000_000, 2L * _block) : Math.Max(1, _block - _tokens);
            _block = _tokens = 0;
        }

        return new PermitAsk(desk.Session.Id, Guid.CreateVersion7(), rule, key, least, Math.Max(Math.Max(_queued, _prefetch), _pace), _loans.Block, _loans.Alone, Ahead.TotalSeconds);
    }

    /// <returns>False: there was nothing to be had.</returns>
    private async Task<bool> AskAsync(PermitAsk ask, int refusals)
    {
        var session = desk.Session;
        var sent = desk.Time.GetTimestamp();
        Task[] woken = [desk.Bell, _returned.Task]; // as of before it is asked
        var answer = await desk.TakeAsync(ask);
        var received = desk.Time.GetTimestamp();
        lock (_lock)
        {
            (_counts, _loans.RoundTrip) = (answer.Counts, desk.Time.GetElapsedTime(sent, received));
            _refusedUntil = answer.Said == "wait" && answer.Wait is { } seconds ? received + Ticks(seconds) : null;
        }

        switch (answer.Said)
        {
            case "granted" when answer.Counts:
                return await HandOverAsync(ask, answer, session, sent, received);
            case "granted":
                lock (_lock)
                {
                    // Its permit is at some time between the two stamps plus the wait: never early, never late.
                    (_tokens, _block, _prefetch) = (answer.Granted, answer.Granted, 0);
                    (_from, _until) = (received + Ticks(answer.Wait ?? 0), sent + Ticks((answer.Wait ?? 0) + (answer.Valid ?? 0)));
                }

                return true;
            case "wait":
                await RefusedAsync(answer.Wait, refusals, woken);
                return false;
            case "gone":
                await Task.Delay(LongestLook, desk.Time); // the session opens another life
                return false;
            case "never":
                lock (_lock)
                {
                    _prefetch = 0;
                    if (_queue.First is { } first && first.Value.Count == ask.Least)
                    {
                        Take(first.Value).Lease.TrySetException(new ArgumentOutOfRangeException("permitCount", ask.Least, $"The limit \"{rule}\" never grants {ask.Least} permits at once; ask for at most {answer.Most:0}."));
                    }
                }

                return true;
            default:
                throw new JobsException(answer.Said switch
                {
                    "keyed" => $"The limit \"{rule}\" has a key; say for which value: For(\"{rule}\", value).",
                    "plain" => $"The limit \"{rule}\" has no key; leave it out: For(\"{rule}\").",
                    _ => $"There is no limit \"{rule}\". Set it with IJobLimits.SetAsync.",
                });
        }
    }

    /// <summary>Slots, and tokens too if the limit has a rate, for whoever is first.</summary>
    private async Task<bool> HandOverAsync(PermitAsk ask, TakenPermits answer, Lease session, long sent, long received)
    {
        var (from, until) = (received + Ticks(answer.Wait ?? 0), answer.Valid is { } valid ? sent + Ticks((answer.Wait ?? 0) + valid) : long.MaxValue);
        for (long now; (now = desk.Time.GetTimestamp()) < from;)
        {
            await Task.Delay(desk.Time.GetElapsedTime(now, from) + TimeSpan.FromMilliseconds(1), desk.Time);
        }

        lock (_lock)
        {
            if (!_disposed && _queue.First is { } first && first.Value.Count == ask.Least && desk.Time.GetTimestamp() < until)
            {
                (_leases, _succeeded, _usedAt) = (_leases + 1, _succeeded + 1, desk.Time.GetTimestamp());
                Take(first.Value).Lease.TrySetResult(new PermitLease(true, null, session.Lost, () => desk.GiveBack(ask.Hold, Returned)));
                return true;
            }
        }

        desk.GiveBack(ask.Hold, () => { }); // nobody waits for it any more
        return true;
    }

    private void Returned()
    {
        TaskCompletionSource woken;
        lock (_lock)
        {
            _leases--;
            _usedAt = desk.Time.GetTimestamp();
            (woken, _returned) = (_returned, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        woken.TrySetResult();
    }

    private async Task RefusedAsync(double? wait, int refusals, Task[] woken)
    {
        lock (_lock)
        {
            _prefetch = 0;
            for (var node = _queue.First; node is not null;)
            {
                var next = node.Next;
                if (node.Value.Once)
                {
                    Take(node.Value).Lease.TrySetResult(Fail(wait is { } s ? TimeSpan.FromSeconds(s) : null));
                }

                node = next;
            }

            if (_queue.Count == 0)
            {
                return;
            }
        }

        // For slots until somebody gives one back; for tokens until they are near enough to be given.
        var look = wait is { } seconds
            ? TimeSpan.FromSeconds(Math.Clamp(seconds - (Ahead.TotalSeconds / 2), 0.005, 1))
            : TimeSpan.FromTicks(Math.Min(LongestLook.Ticks, ShortestLook.Ticks << Math.Min(refusals, 6)));
        await Task.WhenAny([Task.Delay(look, desk.Time), .. woken]);
    }

    private long Ticks(double seconds) => (long)(seconds * desk.Time.TimestampFrequency);
}
