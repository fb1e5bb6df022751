namespace Jobs.Bench.Ours;

/// <summary>A job that does nothing for somebody.</summary>
[Job("bench.keyed", Queue = Load.Queue)]
internal sealed record KeyedJob(string Key, string Text);

internal sealed class KeyedHandler(Handled handled) : IJobHandler<KeyedJob>
{
    public Task HandleAsync(KeyedJob job, JobContext context, CancellationToken ct)
    {
        handled.Add(1);
        return Task.CompletedTask;
    }
}

/// <summary>Takes its time, as something that waits for others does.</summary>
internal sealed class BusyHandler(Handled handled) : IJobHandler<KeyedJob>
{
    public async Task HandleAsync(KeyedJob job, JobContext context, CancellationToken ct)
    {
        await Task.Delay(SlotsUsed.Milliseconds, ct);
        handled.Add(1);
    }
}
