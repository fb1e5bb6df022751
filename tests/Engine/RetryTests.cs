namespace Jobs.Tests.Engine;

/// <summary>What becomes of an attempt that fails.</summary>
public sealed class RetryTests
{
    private static readonly RetryPolicy AtOnce = new(maxAttempts: 3, _ => TimeSpan.Zero, jitter: 0);
    private static readonly RetryPolicy Hourly = new(maxAttempts: 3, _ => TimeSpan.FromHours(1), jitter: 0);

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Failed_attempt_is_recorded_and_tried_again_after_the_policys_delay()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.InOrder(() => throw new FormatException("no good"), () => JobOutcome.Succeeded), retry: Hourly);
        var id = await app.Jobs.EnqueueAsync(new Work());
        var scheduled = await app.InStateAsync(id, JobState.Scheduled);
        var error = Assert.Single(scheduled.Errors);
        Assert.Equal((1, 1, null), (scheduled.Attempt, scheduled.Failures, scheduled.Session));
        Assert.Equal((1, "System.FormatException", "no good"), (error.Attempt, error.Type, error.Message));
        Assert.Contains(nameof(RetryTests), error.Stack, StringComparison.Ordinal);
        Assert.Equal(Assert.Single(await app.Operator.SessionsAsync()).Id, error.Session);
        Assert.Equal(TimeSpan.FromHours(1), scheduled.DueAt - error.At);

        await app.SchedulerAsync();
        await app.MakeDueAsync(id);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 2, 1), (ended.State, ended.Attempt, ended.Failures));
        Assert.Equal(error, Assert.Single(ended.Errors));
        Assert.Equal([0, 1], app.Runs.Select(r => r.Context.Failures));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_fails_after_its_last_attempt_with_every_attempts_error()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((_, context, _) => throw new InvalidOperationException($"attempt {context.Attempt}"), retry: AtOnce);
        await app.SchedulerAsync();
        var ended = await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        Assert.Equal((JobState.Failed, 3, 3), (ended.State, ended.Attempt, ended.Failures));
        Assert.Equal([(1, "attempt 1"), (2, "attempt 2"), (3, "attempt 3")], ended.Errors.Select(e => (e.Attempt, e.Message)));
        Assert.Equal((0, 1), (await app.LiveAsync(), await app.EndedAsync()));
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.history_other"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Snoozes_between_failures_use_up_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((_, context, _) => context.Attempt % 2 == 0
            ? Task.FromResult(JobOutcome.SnoozeFor(TimeSpan.Zero))
            : throw new InvalidOperationException("no"), retry: AtOnce);
        await app.SchedulerAsync();
        var ended = await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        Assert.Equal((JobState.Failed, 5, 3), (ended.State, ended.Attempt, ended.Failures));
        Assert.Equal([1, 3, 5], ended.Errors.Select(e => e.Attempt));
    }

    [Fact]
    public async Task Fail_now_ends_the_job_with_attempts_left()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.That(JobOutcome.FailNow("the address does not exist")));
        var ended = await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        Assert.Equal((JobState.Failed, 1, 1), (ended.State, ended.Attempt, ended.Failures));
        var error = Assert.Single(ended.Errors);
        Assert.Equal(("Jobs.FailNow", "the address does not exist", null), (error.Type, error.Message, error.Stack));
    }

    [Fact]
    public async Task Retry_after_uses_its_own_delay_and_an_attempt()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.That(JobOutcome.RetryAfter(TimeSpan.FromMinutes(7), "busy")), retry: new RetryPolicy(maxAttempts: 2, _ => TimeSpan.Zero));
        var id = await app.Jobs.EnqueueAsync(new Work());
        var scheduled = await app.InStateAsync(id, JobState.Scheduled);
        var error = Assert.Single(scheduled.Errors);
        Assert.Equal(("Jobs.RetryAfter", "busy", TimeSpan.FromMinutes(7)), (error.Type, error.Message, scheduled.DueAt - error.At));

        await app.SchedulerAsync();
        await app.MakeDueAsync(id);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Failed, 2, 2), (ended.State, ended.Failures, ended.Errors.Count));
    }

    [Fact]
    public async Task Cancellation_of_the_handlers_own_is_a_failed_attempt()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((_, _, _) => throw new OperationCanceledException("a request timed out"), retry: Hourly);
        var scheduled = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work()), JobState.Scheduled);
        Assert.Equal((1, "a request timed out"), (scheduled.Failures, Assert.Single(scheduled.Errors).Message));
    }

    [Fact]
    public async Task Handler_that_returns_no_outcome_fails_the_attempt()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.That(null!), retry: Hourly);
        var scheduled = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work()), JobState.Scheduled);
        Assert.Contains("\"test.work\" returned no outcome", Assert.Single(scheduled.Errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delay_function_that_throws_does_not_cost_the_job_its_retry()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((_, _, _) => throw new FormatException("no good"), retry: new RetryPolicy(3, _ => throw new InvalidOperationException("bad policy")));
        var scheduled = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work()), JobState.Scheduled);
        Assert.Equal((1, "no good"), (scheduled.Failures, Assert.Single(scheduled.Errors).Message));
        Assert.InRange(scheduled.DueAt!.Value - scheduled.Errors[0].At, TimeSpan.FromSeconds(16 * 0.9), TimeSpan.FromSeconds(16 * 1.1));
    }

    [Fact]
    public async Task Error_text_is_stored_cut_and_without_null_characters()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((_, _, _) => throw new VerboseException(), retry: Hourly);
        var scheduled = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work()), JobState.Scheduled);
        var error = Assert.Single(scheduled.Errors);
        Assert.StartsWith("null: \uFFFD, surrogate: \uFFFD", error.Message, StringComparison.Ordinal);
        Assert.Equal((2003, 4003), (error.Message.Length, error.Stack!.Length));
        Assert.EndsWith("...", error.Stack, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Result_over_the_limit_fails_the_attempt_with_its_size()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.That(JobOutcome.WithResult(new string('x', 999))), retry: Hourly, options: o => o.MaxArgumentBytes = 1000);
        var scheduled = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work()), JobState.Scheduled);
        var error = Assert.Single(scheduled.Errors);
        Assert.Equal("Jobs.JobTooLargeException", error.Type);
        Assert.Contains("1,001 bytes; the limit is 1,000", error.Message, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Result_that_Postgres_refuses_fails_its_job_and_no_other()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 40).Select(n => new Work(n)));
        await app.WorkerAsync((job, _, _) => Task.FromResult(JobOutcome.WithResult(new Raw(job.Number == 13 ? "{not json" : "1"))), concurrency: 40);
        await app.AllEndedAsync(40);
        var failed = Assert.Single(await app.Operator.ListAsync(new() { State = JobState.Failed }));
        Assert.Equal("""{"number":13,"text":""}""", failed.Arguments);
        Assert.Equal("Jobs.ResultRefused", Assert.Single(failed.Errors).Type);
        Assert.Equal(39, (await app.Operator.ListAsync(new() { State = JobState.Succeeded })).Count(j => j.Result == "1"));
    }

#pragma warning disable CA1064, RCS1194 // made by the tests, for the tests
    private sealed class VerboseException() : Exception("null: \0, surrogate: \ud800 " + new string('m', 9000))
    {
        public override string StackTrace { get; } = new('s', 90_000);
    }
#pragma warning restore CA1064, RCS1194
}
