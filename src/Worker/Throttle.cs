namespace Jobs.Worker;

/// <summary>Has something done soon after it was asked for, at most once in an interval; nothing while nobody asks.</summary>
internal sealed class Throttle(TimeSpan interval, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly CancellationTokenSource _finish = new();
    private int _raised;

    /// <summary>It is to be done after this.</summary>
    public void Raise()
    {
        if (Interlocked.Exchange(ref _raised, 1) == 0)
        {
            _signal.Release();
        }
    }

    /// <summary>Runs until <see cref="FinishAsync"/>, and does it once more then.</summary>
    public async Task RunAsync(Func<Task> work)
    {
        while (!_finish.IsCancellationRequested)
        {
            await ((Task)_signal.WaitAsync(_finish.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Volatile.Write(ref _raised, 0); // before it is done: what is asked for meanwhile is done again
            await work();
            await Task.Delay(interval, time, _finish.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await work();
    }

    public Task FinishAsync() => _finish.CancelAsync();

    public void Dispose()
    {
        _signal.Dispose();
        _finish.Dispose();
    }
}
