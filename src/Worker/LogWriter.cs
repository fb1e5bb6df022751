using Jobs.Postgres;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Worker;

/// <summary>
/// Writes down what attempts log, behind the handlers' backs: a row for each attempt and all of them in one statement, at most every 200 ms. While Postgres is away the lines wait in bounded memory; what does
/// not fit is counted, and said in the log of its attempt.
/// </summary>
internal sealed class LogWriter(OutputStore store, RepairStore repair, TimeProvider time, ILogger<LogWriter> log) : IDisposable
{
    /// <summary>All lines that wait, of all attempts.</summary>
    public const long MaxHeld = 32L * 1024 * 1024;

    private const int MaxRows = 1000;
    private const int MaxStatementBytes = 4 * 1024 * 1024;
    private const int DaysAhead = 14;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly Throttle<AttemptLog> _waiting = new(Interval, time);
    private long _held;
    private long _dropped;
    private long _said;

    /// <summary>Lines that found no room, in all.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Room for a line; false: there is none.</summary>
    public bool TryHold(int bytes)
    {
        if (Interlocked.Read(ref _held) + bytes > MaxHeld)
        {
            Interlocked.Increment(ref _dropped);
            return false;
        }

        Hold(bytes);
        return true;
    }

    /// <summary>Room for what must be said.</summary>
    public void Hold(int bytes) => Interlocked.Add(ref _held, bytes);

    /// <summary>This one has something to write, after it had nothing.</summary>
    public void Add(AttemptLog attempt) => _waiting.Add(attempt);

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
                await WriteAsync(rows);
            }
            catch (Exception e)
            {
                log.LogLinesLost(rows.Count, e.Message);
            }
            finally
            {
                Interlocked.Add(ref _held, -rows.Sum(r => r.Lines.Length - 1L)); // its last bracket was nobody's
            }
        }

        if (Dropped is var dropped && dropped > _said)
        {
            log.LogLinesDropped(dropped - _said, MaxHeld / (1024 * 1024));
            _said = dropped;
        }
    }

    private List<LogRow> Take()
    {
        var rows = new List<LogRow>();
        for (var bytes = 0; rows.Count < MaxRows && bytes < MaxStatementBytes && _waiting.TryTake(out var next);)
        {
            if (next.Take() is { } row)
            {
                rows.Add(row);
                bytes += row.Lines.Length;
            }
        }

        return rows;
    }

    private async Task WriteAsync(List<LogRow> rows)
    {
        var noPartition = false;
        for (var n = 1; ; n++)
        {
            try
            {
                if (noPartition)
                {
                    await repair.MakePartitionsAsync(DaysAhead, _waiting.GivenUp); // no scheduler has run for days
                }

                await store.AppendLogAsync(rows, _waiting.GivenUp);
                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CheckViolation && !noPartition)
            {
                noPartition = true;
            }
            catch (Exception e) when (Transient.IsRefusedValue(e) && rows.Count > 1)
            {
                // One row that the database cannot store must not hold up the others.
                foreach (var row in rows)
                {
                    await TryAloneAsync(row);
                }

                return;
            }
            catch (Exception e) when (Transient.Is(e) && !_waiting.GivenUp.IsCancellationRequested)
            {
                log.LogLinesKept(rows.Count, n, e.Message);
                await Task.Delay(Transient.Delay(n), time, _waiting.GivenUp);
            }
        }
    }

    private async Task TryAloneAsync(LogRow row)
    {
        try
        {
            await WriteAsync([row]);
        }
        catch (Exception e)
        {
            log.LogLinesLost(1, e.Message);
        }
    }
}
