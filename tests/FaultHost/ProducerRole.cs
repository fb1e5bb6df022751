using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.FaultHost;

/// <summary>
/// Enqueues numbered jobs, in turn by a single call, by a single call with an id of its own, and in a small batch. What the process before it left
/// unknown is enqueued again first, under the same ids.
/// </summary>
internal sealed class ProducerRole(IJobClient jobs, FaultOptions options, IHostApplicationLifetime lifetime, TimeProvider time) : BackgroundService
{
    private const int BatchSize = 20;

    private long _next;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ledger = new LedgerFile(options.Ledger, options.First);
        _next = ledger.Last;
        foreach (var batch in ledger.Unknown.Chunk(BatchSize))
        {
            await EnqueueBatchAsync(ledger, batch);
        }

        await Task.WhenAll(Enumerable.Range(0, options.Callers).Select(caller => CallAsync(ledger, caller, stoppingToken)));
        lifetime.StopApplication();
    }

    private async Task CallAsync(LedgerFile ledger, int caller, CancellationToken stop)
    {
        for (var turn = caller; !stop.IsCancellationRequested; turn++)
        {
            await Task.Delay(options.Pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var kind = options.OnlySingle ? 0 : turn % 3;
            var size = kind == 2 ? BatchSize : 1;
            var last = Interlocked.Add(ref _next, size);
            if (last > options.Last)
            {
                return;
            }

            if (kind == 0)
            {
                ledger.Intend(last);
                ledger.Acknowledge(last, await EnqueueAsync(last));
                continue;
            }

            var batch = Enumerable.Range(0, size).Select(i => (N: last - i, Id: JobId.New())).ToArray();
            foreach (var (n, id) in batch)
            {
                ledger.Intend(n, id);
            }

            await EnqueueBatchAsync(ledger, batch);
        }
    }

    private async Task<JobId> EnqueueAsync(long n, JobId? id = null)
    {
        while (true)
        {
            try
            {
                return await jobs.EnqueueAsync(new Work(n, options.Ms), new EnqueueOptions { Id = id });
            }
            catch (EnqueueUnknownException e)
            {
                id = e.Ids[0]; // the remedy that the error names
            }
        }
    }

    private async Task EnqueueBatchAsync(LedgerFile ledger, IReadOnlyCollection<(long N, JobId Id)> batch)
    {
        if (batch.Count == 1)
        {
            var (n, id) = batch.First();
            await EnqueueAsync(n, id);
        }
        else
        {
            var ids = batch.ToDictionary(b => b.N, b => b.Id);
            while (true)
            {
                try
                {
                    await jobs.EnqueueManyAsync(batch.Select(b => new Work(b.N, options.Ms)), job => new EnqueueOptions { Id = ids[job.N] });
                    break;
                }
                catch (EnqueueUnknownException)
                {
                    // again, under the same ids
                }
            }
        }

        foreach (var (n, id) in batch)
        {
            ledger.Acknowledge(n, id);
        }
    }
}
