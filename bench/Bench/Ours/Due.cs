using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Bench.Ours;

/// <summary>A job that knows when it was to start: Unix time in microseconds.</summary>
[Job("bench.due", Queue = Load.Queue)]
internal sealed record DueJob(long At);

/// <summary>When each job started, after it was due.</summary>
internal sealed class Starts
{
    private readonly ConcurrentQueue<double> _late = [];
    private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Expected { get; init; }

    public async Task<double[]> MillisecondsLateAsync()
    {
        await _all.Task;
        return [.. _late.Order()];
    }

    public void Add(DueJob job)
    {
        _late.Enqueue((DueTimes.Now - job.At) / 1000.0);
        if (_late.Count == Expected)
        {
            _all.TrySetResult();
        }
    }
}

internal sealed class DueHandler(Starts starts) : IJobHandler<DueJob>
{
    public Task HandleAsync(DueJob job, JobContext context, CancellationToken ct)
    {
        starts.Add(job);
        return Task.CompletedTask;
    }
}

/// <summary>
/// Whether scheduled jobs start on time, with a worker and a scheduler in one process: single jobs on an idle system, and many that are due at the same instant.
/// From when they are due to the start of their handlers, on one machine's clock.
/// </summary>
internal static class DueTimes
{
    public const string IdleP50 = "idle_p50_ms";
    public const string IdleP99 = "idle_p99_ms";
    public const string BurstLast = "burst_last_ms";
    public const int Burst = 10_000;
    public static readonly string[] Metrics = [IdleP50, IdleP99, BurstLast];
    private static readonly TimeSpan Ahead = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(30);

    public static long Now => TimeProvider.System.GetUtcNow().UtcTicks / TimeSpan.TicksPerMicrosecond;

    /// <summary>In the child.</summary>
    public static async Task<Dictionary<string, double>> MeasureAsync(string schema, int single)
    {
        await RunAsync(schema, 200, _ => TimeSpan.Zero); // makes it warm
        var idle = await RunAsync(schema, single, n => n * Spacing);
        var burst = await RunAsync(schema, Burst, _ => TimeSpan.Zero);
        return new()
        {
            [IdleP50] = Statistics.Quantile(idle, 0.50),
            [IdleP99] = Statistics.Quantile(idle, 0.99),
            [BurstLast] = burst[^1],
        };
    }

    private static async Task<double[]> RunAsync(string schema, int jobs, Func<int, TimeSpan> after)
    {
        var starts = new Starts { Expected = jobs };
        await using var run = await new OursSubject(schema).StartAsync(
            worker => worker.Queue(Load.Queue, 100).Handle<DueJob, DueHandler>(), services => services.AddSingleton(starts));
        var first = TimeProvider.System.GetUtcNow() + Ahead;
        DateTimeOffset[] times = [.. Enumerable.Range(0, jobs).Select(n => first + after(n))];
        await run.Client.EnqueueManyAsync(
            times.Select(t => new DueJob(t.UtcTicks / TimeSpan.TicksPerMicrosecond)),
            job => new EnqueueOptions { RunAt = new DateTimeOffset(job.At * TimeSpan.TicksPerMicrosecond, TimeSpan.Zero) });
        return await starts.MillisecondsLateAsync();
    }
}
