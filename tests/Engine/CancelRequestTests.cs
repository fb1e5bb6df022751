namespace Jobs.Tests.Engine;

/// <summary>Requests to stop a job that runs.</summary>
public sealed class CancelRequestTests
{
    private static readonly Action<JobsOptions> QuickHeart = o => o.SessionTtl = TimeSpan.FromSeconds(5);

    private readonly Guid _session = Guid.NewGuid();

    [Theory]
    [InlineData(false, "It was cancelled on request while it ran.")]
    [InlineData(true, "It was cancelled on request while it ran. Then it threw System.FormatException: interrupted")]
    public async Task Running_job_is_cancelled_whatever_its_handler_throws(bool throwsOther, string message)
    {
        await using var app = await TestApp.CreateAsync();
        var (gate, neighbour) = (new Gate(), new Gate());
        await app.WorkerAsync(async (job, context, ct) =>
        {
            try
            {
                return await (job.Number == 1 ? gate : neighbour).RunAsync(job, context, ct);
            }
            catch (OperationCanceledException e) when (throwsOther)
            {
                throw new FormatException("interrupted", e);
            }
        }, options: QuickHeart);
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        var other = await app.Jobs.EnqueueAsync(new Work(2));
        await gate.Begun;
        await neighbour.Begun;
        Assert.Equal(1, await app.RequestAsync(id));
        var ended = await app.EndedAsync(id);
        var error = Assert.Single(ended.Errors);
        Assert.Equal((JobState.Cancelled, 1, 0, "Jobs.Cancelled", message), (ended.State, ended.Attempt, ended.Failures, error.Type, error.Message));
        Assert.Equal(0, await app.RequestsAsync());
        neighbour.Open();
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(other)).State);
    }

    [Fact]
    public async Task Handler_that_finishes_all_the_same_has_succeeded()
    {
        await using var app = await TestApp.CreateAsync();
        var begun = new TaskCompletionSource();
        await app.WorkerAsync(async (_, _, ct) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return JobOutcome.Succeeded;
        }, options: QuickHeart);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await begun.Task.InTimeAsync();
        Assert.Equal(1, await app.RequestAsync(id));
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 0), (ended.State, ended.Errors.Count));
    }

    [Fact]
    public async Task Handler_that_ignores_it_is_abandoned_and_its_job_cancelled()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        await app.WorkerAsync((job, context, ct) => job.Number == 1 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct),
            concurrency: 1, more: w => w.TimeoutGrace = TimeSpan.FromMilliseconds(50), options: QuickHeart);
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        await gate.Begun;
        Assert.Equal(1, await app.RequestAsync(id));
        var ended = await app.EndedAsync(id);
        var error = Assert.Single(ended.Errors);
        Assert.Equal((JobState.Cancelled, "Jobs.Cancelled"), (ended.State, error.Type));
        Assert.Contains("its code may still run in process", error.Message, StringComparison.Ordinal);
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(2)))).State);
        gate.Open();
        await app.LoggedAsync(1427);
    }

    [Fact]
    public async Task Cancelled_jobs_follower_is_told()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync, options: QuickHeart);
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        var child = await app.Jobs.EnqueueAsync(new Work(2), new() { After = [id] });
        await gate.Begun;
        await app.RequestAsync(id);
        Assert.Equal(JobState.Cancelled, (await app.EndedAsync(child)).State);
        Assert.Single(app.Runs);
    }

    [Fact]
    public async Task Job_that_does_not_run_is_not_asked_for()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        Assert.Equal(0, await app.RequestAsync(id));
        Assert.Equal(0, await app.RequestsAsync());
    }

    [Fact]
    public async Task Request_is_for_the_attempt_that_ran_then_and_is_told_once()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.Sessions.ConnectAsync(default);
        var (first, second) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2)));
        await app.ClaimAsync(_session, first);
        await app.ClaimAsync(_session, second);
        Assert.Equal(2, await app.RequestAsync(first, second));

        await app.DeferAsync(_session, second, attempt: 1);
        var again = Assert.Single(await app.Repair.PromoteIfDueAsync(10, default));
        Assert.Equal(2, Assert.Single(await app.ClaimAsync(_session, second, again.Dispatch)).Attempt);
        Assert.Empty(await app.Sessions.TakeCancelRequestsAsync(connection, Guid.NewGuid(), default));
        Assert.Equal([(first, 1)], await app.Sessions.TakeCancelRequestsAsync(connection, _session, default));
        Assert.Empty(await app.Sessions.TakeCancelRequestsAsync(connection, _session, default));
        Assert.Equal(0, await app.RequestsAsync());
    }

    [Fact]
    public async Task Rescued_job_does_not_inherit_a_request_which_is_cleared_away()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.Sessions.ConnectAsync(default);
        var (gone, stays) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2)));
        var alive = await app.DeadSessionAsync();
        await app.ClaimAsync(_session, gone); // of a session that is not there
        await app.ClaimAsync(alive, stays);
        Assert.Equal(2, await app.RequestAsync(gone, stays));

        var back = Assert.Single(await app.Repair.RescueIfOrphanedAsync(10, 3, default));
        var other = Guid.NewGuid();
        await app.ClaimAsync(other, gone, back.Dispatch);
        Assert.Empty(await app.Sessions.TakeCancelRequestsAsync(connection, other, default));
        await app.Repair.ClearCancelRequestsAsync(default);
        Assert.Equal(1, await app.RequestsAsync());
        Assert.Equal([(stays, 1)], await app.Sessions.TakeCancelRequestsAsync(connection, alive, default));
    }
}

internal static class CancelRequests
{
    public static Task<int> RequestAsync(this TestApp app, params JobId[] ids) => app.Store.RequestCancelIfRunningAsync([.. ids.Select(i => i.Value)], CancellationToken.None);

    public static Task<long> RequestsAsync(this TestApp app) => app.ScalarAsync<long>("select count(*) from jobs.cancel_request");
}
