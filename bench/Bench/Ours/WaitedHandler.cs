using System.Collections.Concurrent;
using System.Diagnostics;

namespace Jobs.Bench.Ours;

/// <summary>A job that somebody waits for.</summary>
[Job("bench.waited", Queue = Load.Queue)]
internal sealed record Waited(int Milliseconds);

/// <summary>When each handler returned, by the stopwatch.</summary>
internal sealed class Returned
{
    private readonly ConcurrentDictionary<JobId, long> _at = new();

    public long this[JobId id]
    {
        get => _at[id];
        set => _at[id] = value;
    }
}

internal sealed class WaitedHandler(Returned returned) : IJobHandler<Waited, int>
{
    public async Task<int> HandleAsync(Waited job, JobContext context, CancellationToken ct)
    {
        if (job.Milliseconds > 0)
        {
            await Task.Delay(job.Milliseconds, ct);
        }

        returned[context.Id] = Stopwatch.GetTimestamp();
        return 42;
    }
}
