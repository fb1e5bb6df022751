namespace Jobs.Bench.Ours;

/// <summary>A job that does nothing, with about 60 bytes of arguments.</summary>
[Job("bench.noop", Queue = Load.Queue)]
internal sealed record NoOp(string Text);

internal sealed class NoOpHandler(Handled handled) : IJobHandler<NoOp>
{
    public Task HandleAsync(NoOp job, JobContext context, CancellationToken ct)
    {
        if (context.Priority.Value >= handled.MinPriority)
        {
            handled.Add(1);
        }

        return Task.CompletedTask;
    }
}
