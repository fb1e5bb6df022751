using System.Diagnostics;
using System.Threading.Channels;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Producer;

/// <summary>
/// Writes rows and hands their tickets over. Single enqueues that are under way at the same time share a statement: whoever finds the writer busy is
/// in the next one. Nothing waits for more to come, so a lone enqueue pays nothing.
/// </summary>
internal sealed class EnqueueBatcher(
    JobStore store, TicketPublisher tickets, Followers followers, ProducerTelemetry telemetry, CoordinationTelemetry counts, TimeProvider time, ILogger<EnqueueBatcher> log)
{
    private const int MaxBatch = 500;
    private const int MaxBulk = 1000;

    /// <summary>Arguments a statement: what bounds the memory when they are large.</summary>
    private const int MaxBytes = 4 * 1024 * 1024;

    private static readonly TimeSpan GiveUpAfter = TimeSpan.FromSeconds(10);

    private readonly Channel<Waiting> _waiting = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(10_000) { SingleReader = false });
    private int _writing;

    private sealed record Waiting(NewJob Row, bool Named, Activity? Span, TaskCompletionSource<Enqueued> Done);

    /// <returns>What became of it.</returns>
    public async Task<Enqueued> EnqueueAsync(NewJob row, bool named, CancellationToken ct)
    {
        var waiting = new Waiting(row, named, Activity.Current, new TaskCompletionSource<Enqueued>(TaskCreationOptions.RunContinuationsAsynchronously));
        await _waiting.Writer.WriteAsync(waiting, ct);
        StartWriter();
        return await waiting.Done.Task.WaitAsync(ct);
    }

    /// <summary>Bulk: the next statement is prepared while one is being committed.</summary>
    /// <returns>How many are new.</returns>
    public async Task<long> EnqueueManyAsync(IAsyncEnumerable<NewJob> rows, Func<bool> named, CancellationToken ct)
    {
        long total = 0;
        var writing = Task.FromResult(0L);
        try
        {
            var batch = new List<NewJob>(MaxBulk);
            long bytes = 0;
            await foreach (var row in rows.WithCancellation(ct))
            {
                batch.Add(row);
                bytes += row.Arguments.Length;
                if (batch.Count == MaxBulk || bytes >= MaxBytes)
                {
                    await NextAsync();
                }
            }

            await NextAsync();
            return total + await writing;

            async Task NextAsync()
            {
                total += await writing;
                ct.ThrowIfCancellationRequested();
                writing = batch.Count == 0 ? Task.FromResult(0L) : WriteManyAsync(batch, named(), ct);
                (batch, bytes) = (new List<NewJob>(MaxBulk), 0);
            }
        }
        finally
        {
            await writing; // also when the caller's own sequence throws: what has been sent is finished
        }
    }

    /// <summary>All of them or none: one transaction.</summary>
    public Task EnqueueTogetherAsync(IReadOnlyList<NewJob> rows, CancellationToken ct) => rows.Count == 0 ? Task.CompletedTask : WriteAsync(rows, named: false, ct);

    /// <exception cref="JobExistsException">A key is taken, and is not to be; the other rows stand.</exception>
    private async Task<long> WriteManyAsync(List<NewJob> rows, bool named, CancellationToken ct)
    {
        var fates = await WriteAsync(rows, named, ct);
        long added = 0;
        for (var i = 0; i < rows.Count; i++)
        {
            added += fates[i].Fate == EnqueueFate.Existed ? 0 : 1;
            if (fates[i].Fate == EnqueueFate.Existed && fates[i].Id != rows[i].Id && rows[i].Ties?.OnConflict == UniqueConflict.Refuse)
            {
                throw new JobExistsException(rows[i].Type, fates[i].Id);
            }
        }

        return added;
    }

    private void StartWriter()
    {
        if (Interlocked.CompareExchange(ref _writing, 1, 0) == 0)
        {
            // Starts on the caller's thread: a lone enqueue does not wait for another. Without the caller's context: it goes on to write for others.
            Detached.Call(static self => _ = ((EnqueueBatcher)self!).WriteWaitingAsync(), this);
        }
    }

    private async Task WriteWaitingAsync()
    {
        var batch = new List<Waiting>();
        while (true)
        {
            long bytes = 0;
            while (batch.Count < MaxBatch && bytes < MaxBytes && _waiting.Reader.TryRead(out var next))
            {
                batch.Add(next);
                bytes += next.Row.Arguments.Length;
            }

            if (batch.Count == 0)
            {
                Interlocked.Exchange(ref _writing, 0); // a full fence: the look below must come after it
                if (_waiting.Reader.Count > 0)
                {
                    StartWriter(); // somebody came between the last look and the line above
                }

                return;
            }

            await WriteTogetherAsync(batch);
            batch.Clear();

            // Get in line behind the callers just answered: those that enqueue again at once share the next statement.
            await Task.Yield();
        }
    }

    private async Task WriteTogetherAsync(List<Waiting> batch)
    {
        var rows = batch.ConvertAll(w => w.Row);
        if (batch.Exists(w => w.Span is not null))
        {
            Activity.Current = batch.Count == 1 ? batch[0].Span : null; // what is written for several belongs to no one's span; only for the rest of this method
        }

        try
        {
            var fates = await WriteAsync(rows, batch.Exists(w => w.Named), CancellationToken.None);
            for (var i = 0; i < batch.Count; i++)
            {
                batch[i].Done.SetResult(fates[i]);
            }
        }
        catch (EnqueueUnknownException e)
        {
            batch.ForEach(w => w.Done.SetException(new EnqueueUnknownException([w.Row.Id], e.InnerException!)));
        }
        catch (Exception e) when (batch.Count == 1)
        {
            batch[0].Done.SetException(e);
        }
        catch (Exception e)
        {
            // One bad row must not fail its neighbours: each alone, so that the error reaches the call it belongs to.
            log.BatchSplit(batch.Count, e.Message);
            foreach (var waiting in batch)
            {
                await WriteTogetherAsync([waiting]);
            }
        }
    }

    /// <summary>E1 to E3 for one statement's worth of rows. Repeats after errors that pass, in the form that is safe after an unknown outcome.</summary>
    private async Task<Enqueued[]> WriteAsync(IReadOnlyList<NewJob> rows, bool named, CancellationToken ct)
    {
        var fates = new Enqueued[rows.Count];
        IReadOnlyCollection<Guid> endedParents;
        var started = time.GetTimestamp();
        for (var n = 1; ; n++)
        {
            try
            {
                endedParents = await store.EnqueueAsync(rows, fates, again: named || n > 1, CancellationToken.None);
                break;
            }
            catch (Exception e) when (Transient.Is(e))
            {
                if (time.GetElapsedTime(started) > GiveUpAfter || ct.IsCancellationRequested)
                {
                    throw new EnqueueUnknownException([.. rows.Select(r => r.Id)], e);
                }

                telemetry.Repeated();
                log.EnqueueRepeated(rows.Count, n, e.Message);
                await Task.Delay(Transient.Delay(n), time, CancellationToken.None);
            }
        }

        telemetry.Written(time.GetElapsedTime(started));
        counts.Enqueued(rows, fates, "client");
        var queued = new List<Ticket>(rows.Count);
        for (var i = 0; i < rows.Count; i++)
        {
            if (fates[i].Fate == EnqueueFate.Queued)
            {
                var row = rows[i];
                queued.Add(new Ticket(row.Id, 1, row.Queue, row.Priority, row.Type));
            }
        }

        await tickets.SendAsync(queued, CancellationToken.None);
        followers.Tell(new Followed(endedParents, []));
        return fates;
    }
}
