namespace Jobs.Tests.FaultHost;

/// <summary>A job of the tests.</summary>
/// <param name="N">Which one: no two jobs of a test have the same number.</param>
/// <param name="Ms">How long its handler takes.</param>
/// <param name="Stubborn">Whether its handler ignores cancellation (not one that hangs).</param>
[Job("work")]
internal sealed record Work(long N, int Ms, bool Stubborn = false);

internal sealed class WorkHandler(FaultOptions options, LineFile runs, TimeProvider time) : IJobHandler<Work>
{
    public Task HandleAsync(Work job, JobContext context, CancellationToken ct)
    {
        // First of all, and not through the platform or its servers: what ran is known whatever becomes of them.
        runs.Append($"{context.Id} {context.Attempt} {time.GetUtcNow().ToUnixTimeMilliseconds()}");
        return Task.Delay(options.Hang ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(job.Ms) + options.Slower, time, job.Stubborn && !options.Hang ? CancellationToken.None : ct);
    }
}

/// <summary>A job that takes its worker with it.</summary>
[Job("poison")]
internal sealed record Poison(long N);

internal sealed class PoisonHandler(LineFile runs, TimeProvider time) : IJobHandler<Poison>
{
    public Task HandleAsync(Poison job, JobContext context, CancellationToken ct)
    {
        runs.Append($"{context.Id} {context.Attempt} {time.GetUtcNow().ToUnixTimeMilliseconds()}");
        Death.Now();
        return Task.Delay(Timeout.InfiniteTimeSpan, time, ct);
    }
}
