using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Worker;

/// <summary>Writes down how far attempts say they are, behind the handlers' backs: the latest word of each, all in one statement, at most every 500 ms.</summary>
internal sealed class ProgressWriter(OutputStore store, TimeProvider time, ILogger<ProgressWriter> log) : IDisposable
{
    private const int MaxRows = 1000;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly Lock _gate = new();
    private readonly Throttle _throttle = new(Interval, time);
    private readonly CancellationTokenSource _giveUp = new();
    private readonly Queue<Attempt> _waiting = [];

    /// <summary>This one has a word, after it had none.</summary>
    public void Add(Attempt attempt)
    {
        lock (_gate)
        {
            _waiting.Enqueue(attempt);
        }

        _throttle.Raise();
    }

    /// <summary>Writes until <see cref="FinishAsync"/>.</summary>
    public Task RunAsync() => _throttle.RunAsync(WriteAllAsync);

    /// <summary>What waits is written, until <paramref name="giveUp"/>.</summary>
    public async Task FinishAsync(Task run, CancellationToken giveUp)
    {
        await using var registration = giveUp.UnsafeRegister(s => ((CancellationTokenSource)s!).Cancel(), _giveUp);
        await _throttle.FinishAsync();
        await run;
    }

    public void Dispose()
    {
        _throttle.Dispose();
        _giveUp.Dispose();
    }

    private async Task WriteAllAsync()
    {
        while (Take() is { Count: > 0 } rows)
        {
            try
            {
                await Transient.RetryAsync(async ct =>
                {
                    await store.PutProgressAsync(rows, ct);
                    return true;
                }, "write progress", log, _giveUp.Token);
            }
            catch (Exception e)
            {
                log.ProgressNotWritten(rows.Count, e.Message); // it is only the latest word that counts, and there may be a later one
            }
        }
    }

    private List<ProgressRow> Take()
    {
        var rows = new List<ProgressRow>();
        while (rows.Count < MaxRows)
        {
            Attempt? next;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out next))
                {
                    break;
                }
            }

            if (next.TakeProgress() is { } row)
            {
                rows.Add(row);
            }
        }

        return rows;
    }
}
