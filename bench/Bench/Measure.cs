using System.Diagnostics;

namespace Jobs.Bench;

/// <summary>
/// One measurement of one subject. Every one of them: make it warm, settle the servers, start the clock. What is measured is
/// the same for both subjects because it is this code.
/// </summary>
internal sealed class Measure(ISubject subject, string schema, int warmJobs, int jobs)
{
    private const int Callers = 16;
    private const int LatencyConcurrency = 20;
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(5);

    public Task<Dictionary<string, double>> RunAsync(string measurement) => measurement switch
    {
        Metric.BulkEnqueue => BulkAsync(),
        Metric.SingleEnqueue => SingleAsync(),
        Metric.DrainC20 => DrainAsync(measurement, 20),
        Metric.DrainC100 => DrainAsync(measurement, 100),
        Metric.EndToEnd => EndToEndAsync(),
        Metric.Latency => LatencyAsync(),
        _ => throw new BenchException($"There is no measurement \"{measurement}\"."),
    };

    /// <summary>Until every row is committed and the broker holds every ticket.</summary>
    private async Task<Dictionary<string, double>> BulkAsync()
    {
        await using var run = await subject.StartAsync(null);
        await run.EnqueueManyAsync(Load.Queue, warmJobs, Load.NormalPriority);
        await run.DispatchedAsync(Load.Queue, warmJobs);
        await Servers.SettleAsync(schema);

        var clock = Stopwatch.StartNew();
        await run.EnqueueManyAsync(Load.Queue, jobs, Load.NormalPriority);
        await run.DispatchedAsync(Load.Queue, warmJobs + jobs);
        return Rate(Metric.BulkEnqueue, clock.Elapsed);
    }

    /// <summary>Until the last call has returned and the broker holds every ticket.</summary>
    private async Task<Dictionary<string, double>> SingleAsync()
    {
        await using var run = await subject.StartAsync(null);
        await CallAsync(run, warmJobs);
        await run.DispatchedAsync(Load.Queue, warmJobs);
        await Servers.SettleAsync(schema);

        var clock = Stopwatch.StartNew();
        await CallAsync(run, jobs);
        await run.DispatchedAsync(Load.Queue, warmJobs + jobs);
        return Rate(Metric.SingleEnqueue, clock.Elapsed);
    }

    /// <summary>The queue was filled by another process. From the first claimed job to the last end.</summary>
    private async Task<Dictionary<string, double>> DrainAsync(string metric, int concurrency)
    {
        var warm = new Handled();
        var warmed = warm.Expect(warmJobs);
        await using (var run = await subject.StartAsync(new Work(Load.WarmQueue, concurrency, warm)))
        {
            await warmed;
            await run.EndedAsync();
        }

        await Servers.SettleAsync(schema);

        var handled = new Handled();
        var all = handled.Expect(jobs);
        await using (var run = await subject.StartAsync(new Work(Load.Queue, concurrency, handled)))
        {
            await all;
            await run.EndedAsync();
            var elapsed = Stopwatch.GetElapsedTime(handled.FirstAt);
            await CheckAsync(run, warmJobs + jobs);
            return Rate(metric, elapsed);
        }
    }

    /// <summary>Enqueue and run at once, in one process: from the call to the last end.</summary>
    private async Task<Dictionary<string, double>> EndToEndAsync()
    {
        var handled = new Handled();
        var warmed = handled.Expect(warmJobs);
        await using var run = await subject.StartAsync(new Work(Load.Queue, 100, handled));
        await run.EnqueueManyAsync(Load.Queue, warmJobs, Load.NormalPriority);
        await warmed;
        await run.EndedAsync();
        await Servers.SettleAsync(schema);

        var all = handled.Expect(jobs);
        var clock = Stopwatch.StartNew();
        await run.EnqueueManyAsync(Load.Queue, jobs, Load.NormalPriority);
        await all;
        await run.EndedAsync();
        var elapsed = clock.Elapsed;
        await CheckAsync(run, warmJobs + jobs);
        return Rate(Metric.EndToEnd, elapsed);
    }

    /// <summary>From the call of an enqueue to the start of the handler, one job after another on an otherwise idle system.</summary>
    private async Task<Dictionary<string, double>> LatencyAsync()
    {
        var handled = new Handled();
        var warmed = handled.Expect(warmJobs);
        await using var run = await subject.StartAsync(new Work(Load.Queue, LatencyConcurrency, handled));
        await CallAsync(run, warmJobs);
        await warmed;
        await run.EndedAsync();
        await Servers.SettleAsync(schema);

        var milliseconds = new double[jobs];
        for (var i = -jobs / 10; i < milliseconds.Length; i++) // the first tenth finds the pace and does not count
        {
            var next = handled.Next();
            var called = Stopwatch.GetTimestamp();
            await run.EnqueueAsync();
            var started = await next;
            if (i >= 0)
            {
                milliseconds[i] = Stopwatch.GetElapsedTime(called, started).TotalMilliseconds;
            }

            await run.EndedAsync();
            await Task.Delay(Spacing);
        }

        Array.Sort(milliseconds);
        return new()
        {
            [Metric.LatencyP50] = Statistics.Quantile(milliseconds, 0.50),
            [Metric.LatencyP95] = Statistics.Quantile(milliseconds, 0.95),
            [Metric.LatencyP99] = Statistics.Quantile(milliseconds, 0.99),
        };
    }

    private static Task CallAsync(IRun run, int calls)
    {
        var left = calls;
        return Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
            {
                await run.EnqueueAsync();
            }
        })));
    }

    private static async Task CheckAsync(IRun run, long expected)
    {
        var ended = await run.CountHistoryAsync();
        if (ended != expected)
        {
            throw new BenchException($"{ended} jobs are in history, {expected} were enqueued: what was just measured is wrong.");
        }
    }

    private Dictionary<string, double> Rate(string metric, TimeSpan elapsed) => new()
    {
        [metric] = jobs / elapsed.TotalSeconds,
        [Metric.PeakMemory] = Process.GetCurrentProcess().PeakWorkingSet64 / 1e6,
    };
}
