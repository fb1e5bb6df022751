using System.Diagnostics.CodeAnalysis;

namespace Jobs.Worker;

/// <summary>What waits to be written down behind the handlers' backs: soon after it came, all that there is by then, at most once in an interval. Nothing happens while nothing waits.</summary>
internal sealed class Throttle<T>(TimeSpan interval, TimeProvider time) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<T> _waiting = [];
    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly CancellationTokenSource _finish = new();
    private readonly CancellationTokenSource _giveUp = new();
    private int _raised;

    /// <summary>What is not written by now is not.</summary>
    public CancellationToken GivenUp => _giveUp.Token;

    public void Add(T item)
    {
        lock (_gate)
        {
            _waiting.Enqueue(item);
        }

        if (Interlocked.Exchange(ref _raised, 1) == 0)
        {
            _signal.Release();
        }
    }

    public bool TryTake([MaybeNullWhen(false)] out T item)
    {
        lock (_gate)
        {
            return _waiting.TryDequeue(out item);
        }
    }

    /// <summary>Has what waits written until <see cref="FinishAsync"/>, and once more then.</summary>
    public async Task RunAsync(Func<Task> write)
    {
        while (!_finish.IsCancellationRequested)
        {
            await ((Task)_signal.WaitAsync(_finish.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Volatile.Write(ref _raised, 0); // before it is written: what comes meanwhile is written after it
            await write();
            await Task.Delay(interval, time, _finish.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await write();
    }

    /// <summary>What waits is written, until <paramref name="giveUp"/>.</summary>
    public async Task FinishAsync(Task run, CancellationToken giveUp)
    {
        await using var registration = giveUp.UnsafeRegister(s => ((CancellationTokenSource)s!).Cancel(), _giveUp);
        await _finish.CancelAsync();
        await run;
    }

    public void Dispose()
    {
        _signal.Dispose();
        _finish.Dispose();
        _giveUp.Dispose();
    }
}
