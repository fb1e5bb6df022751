namespace Jobs.Tests.Engine;

/// <summary>The job of nearly every test: what it does is up to the test.</summary>
[Job("test.work")]
internal sealed record Work(int Number = 0, string Text = "");

/// <summary>A second kind of work, for workers that know only one.</summary>
[Job("test.other")]
internal sealed record Other(int Number = 0);

internal delegate Task<JobOutcome> Run(Work job, JobContext context, CancellationToken ct);

internal sealed class WorkHandler(Run run) : IJobOutcomeHandler<Work>
{
    public Task<JobOutcome> HandleAsync(Work job, JobContext context, CancellationToken ct) => run(job, context, ct);
}

internal sealed class OtherHandler(Run run) : IJobOutcomeHandler<Other>
{
    public Task<JobOutcome> HandleAsync(Other job, JobContext context, CancellationToken ct) => run(new Work(job.Number), context, ct);
}

internal static class Runs
{
    public static readonly Run Done = (_, _, _) => Task.FromResult(JobOutcome.Succeeded);

    public static Run That(JobOutcome outcome) => (_, _, _) => Task.FromResult(outcome);

    /// <summary>One outcome for each attempt, in order; the last one again for those after.</summary>
    public static Run InOrder(params Func<JobOutcome>[] outcomes) => (_, context, _) => Task.FromResult(outcomes[Math.Min(context.Attempt, outcomes.Length) - 1]());
}

/// <summary>A handler that says when it has begun, and then waits to be let go or cancelled.</summary>
internal sealed class Gate
{
    private readonly TaskCompletionSource<JobContext> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Go on when cancelled, as a handler that ignores its token does.</summary>
    public bool Stubborn { get; init; }

    public Task<JobContext> Begun => _begun.Task.InTimeAsync();

    public Task Cancelled => _cancelled.Task.InTimeAsync();

    public void Open() => _open.TrySetResult();

    public async Task<JobOutcome> RunAsync(Work job, JobContext context, CancellationToken ct)
    {
        var registration = ct.Register(() => _cancelled.TrySetResult()); // kept when cancelled: disposing it then would race with its call
        _begun.TrySetResult(context);
        await _open.Task.WaitAsync(Stubborn ? CancellationToken.None : ct);
        await registration.DisposeAsync();
        return JobOutcome.Succeeded;
    }
}
