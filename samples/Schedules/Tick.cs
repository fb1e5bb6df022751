using Jobs;

namespace Schedules;

/// <summary>The job of every schedule here: it only has to be there, once for each second.</summary>
[Job("tick", Queue = Queue)]
public sealed record Tick(int Schedule)
{
    public const string Queue = "ticks";
}

public sealed class TickHandler : IJobHandler<Tick>
{
    public Task HandleAsync(Tick job, JobContext context, CancellationToken ct) => Task.CompletedTask;
}
