using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Worker;

/// <summary>Writes down how far attempts say they are, behind the handlers' backs: the latest word of each, all in one statement, at most every 500 ms.</summary>
internal sealed class ProgressWriter(OutputStore store, TimeProvider time, ILogger<ProgressWriter> log) : IDisposable
{
    private const int MaxRows = 1000;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly Throttle<Attempt> _waiting = new(Interval, time);

    /// <summary>This one has a word, after it had none.</summary>
    public void Add(Attempt attempt) => _waiting.Add(attempt);

    /// <summary>Writes until <see cref="FinishAsync"/>.</summary>
    public Task RunAsync() => _waiting.RunAsync(WriteAllAsync);

    /// <summary>What waits is written, until <paramref name="giveUp"/>.</summary>
    public Task FinishAsync(Task run, CancellationToken giveUp) => _waiting.FinishAsync(run, giveUp);

    public void Dispose() => _waiting.Dispose();

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
                }, "write progress", log, _waiting.GivenUp);
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
        while (rows.Count < MaxRows && _waiting.TryTake(out var next))
        {
            if (next.TakeProgress() is { } row)
            {
                rows.Add(row);
            }
        }

        return rows;
    }
}
