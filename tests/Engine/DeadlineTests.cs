namespace Jobs.Tests.Engine;

/// <summary>Attempts that take too long: cancelled, and abandoned if they ignore that.</summary>
public sealed class DeadlineTests
{
    private static readonly Action<JobsOptions> QuickHeart = o => o.SessionTtl = TimeSpan.FromSeconds(5);
    private static readonly RetryPolicy AtOnce = new(maxAttempts: 3, _ => TimeSpan.Zero, jitter: 0);
    private static readonly RetryPolicy Hourly = new(maxAttempts: 3, _ => TimeSpan.FromHours(1), jitter: 0);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);
    private static readonly Action<WorkerOptions> ShortGrace = w => w.TimeoutGrace = Short;

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false, "was cancelled.")]
    [InlineData(true, "was cancelled. Then it threw System.FormatException: interrupted")]
    public async Task Attempt_that_takes_too_long_is_cancelled_counts_as_failed_and_is_tried_again(bool throwsOther, string message)
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(async (job, context, ct) =>
        {
            if (context.Attempt == 2)
            {
                return JobOutcome.Succeeded;
            }

            try
            {
                return await gate.RunAsync(job, context, ct);
            }
            catch (OperationCanceledException e) when (throwsOther)
            {
                throw new FormatException("interrupted", e);
            }
        }, retry: AtOnce);
        await app.SchedulerAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Timeout = Short });
        await gate.Cancelled;
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 2, 1, 0), (ended.State, ended.Attempt, ended.Failures, ended.Crashes));
        var error = Assert.Single(ended.Errors);
        Assert.Equal((1, "Jobs.Timeout", "The attempt took longer than its timeout, 0.05 s, and " + message), (error.Attempt, error.Type, error.Message));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Outcome_of_a_handler_that_finishes_all_the_same_counts()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(async (_, _, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return JobOutcome.WithResult(ct.IsCancellationRequested);
        });
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Timeout = Short });
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 1, 0, "true"), (ended.State, ended.Attempt, ended.Failures, ended.Result));
        Assert.Empty(ended.Errors);
    }

    [Fact]
    public async Task Last_attempt_that_takes_too_long_fails_its_job()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(new Gate().RunAsync, retry: new(maxAttempts: 1));
        var ended = await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(), new() { Timeout = Short }));
        Assert.Equal((JobState.Failed, 1, "Jobs.Timeout"), (ended.State, ended.Failures, Assert.Single(ended.Errors).Type));
    }

    [Fact]
    public async Task Jobs_own_timeout_beats_that_of_its_type_which_holds_however_the_job_was_enqueued()
    {
        await using var app = await TestApp.CreateAsync();
        var patient = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Number == 1 ? patient.RunAsync(job, context, ct) : new Gate().RunAsync(job, context, ct),
            more: w => w.HandleOutcome<Hasty, HastyHandler>(new(maxAttempts: 1)));
        var own = await app.Jobs.EnqueueAsync(new Hasty(1), new() { Timeout = TimeSpan.FromDays(30) });
        await patient.Begun;
        var typed = await app.Jobs.EnqueueAsync(new Hasty(2));
        var json = await app.Jobs.EnqueueJsonAsync("test.hasty", """{"Number": 3}""");
        foreach (var id in new[] { typed, json })
        {
            Assert.Contains("its timeout, 0.05 s,", Assert.Single((await app.EndedAsync(id)).Errors).Message, StringComparison.Ordinal);
        }

        patient.Open();
        Assert.Equal((JobState.Succeeded, 0), ((await app.EndedAsync(own)).State, (await app.EndedAsync(own)).Failures));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Handler_that_ignores_its_token_is_abandoned_frees_its_slot_and_changes_nothing_when_it_returns()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        await app.WorkerAsync((job, context, ct) => job.Number == 1 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct),
            concurrency: 1, retry: Hourly, more: ShortGrace, options: QuickHeart);
        var stubborn = await app.Jobs.EnqueueAsync(new Work(1), new() { Timeout = Short });
        await gate.Begun;
        var next = await app.Jobs.EnqueueAsync(new Work(2));
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(next)).State);

        var abandoned = await app.InStateAsync(stubborn, JobState.Scheduled);
        var error = Assert.Single(abandoned.Errors);
        Assert.Equal((1, 1, "Jobs.Timeout"), (abandoned.Attempt, abandoned.Failures, error.Type));
        Assert.Contains($"ignored its cancelled token for 0.05 s, so it was abandoned: its code may still run in process {Environment.ProcessId}", error.Message, StringComparison.Ordinal);
        Assert.Contains("attempt 2 may start in 3600 s, beside it", Assert.Single(app.Log.Of(1426)).Text, StringComparison.Ordinal);
        await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s.Single() is { Running: 0, Abandoned: 1 }, "one abandoned handler", app.Log.Tail);

        var before = await app.RowAsync(stubborn);
        gate.Open();
        await app.LoggedAsync(1427);
        await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s.Single() is { Running: 0, Abandoned: 0 }, "no abandoned handler", app.Log.Tail);
        Assert.Equal(before, await app.RowAsync(stubborn));
        Assert.Empty(app.Log.Of(1431));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Retry_that_starts_beside_its_own_abandoned_attempt_is_said_aloud()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        await app.WorkerAsync((job, context, ct) => context.Attempt == 1 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), concurrency: 1, retry: AtOnce, more: ShortGrace);
        await app.SchedulerAsync();
        var ended = await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(), new() { Timeout = Short }));
        Assert.Equal((JobState.Succeeded, 2, 1), (ended.State, ended.Attempt, ended.Failures));
        Assert.Contains("attempt 2 starts while the code of attempt 1", Assert.Single(app.Log.Of(1428)).Text, StringComparison.Ordinal);
        gate.Open();
        await app.LoggedAsync(1427);
    }

    [Fact]
    public async Task Stopping_worker_does_not_wait_for_abandoned_handlers()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        var host = await app.WorkerAsync(gate.RunAsync, retry: Hourly, more: w => (w.TimeoutGrace, w.ShutdownGrace) = (TimeSpan.Zero, TimeSpan.FromHours(1)));
        try
        {
            var id = await app.Jobs.EnqueueAsync(new Work(), new() { Timeout = Short });
            await app.InStateAsync(id, JobState.Scheduled);
            await app.StopAsync(host).InTimeAsync();
            var job = await app.GetAsync(id);
            Assert.Equal((JobState.Scheduled, 1, 1), (job.State, job.Attempt, job.Failures));
        }
        finally
        {
            gate.Open(); // otherwise a failure would last as long as the grace
        }
    }

    [Fact]
    public async Task Handler_that_outlives_its_session_and_ignores_its_token_frees_its_slot()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        await app.WorkerAsync((job, context, ct) => job.Number == 1 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), concurrency: 1, more: ShortGrace, options: QuickHeart);
        var lost = await app.Jobs.EnqueueAsync(new Work(1));
        await gate.Begun;
        await app.SqlAsync("delete from jobs.session");
        await gate.Cancelled;
        await app.SeeAsync(() => app.Log.Of(1200).Count() == 2, "a new session is open"); // what is claimed under the lost one is the rescuer's too
        var next = await app.Jobs.EnqueueAsync(new Work(2));
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(next)).State);
        Assert.Equal((JobState.Running, 0), ((await app.GetAsync(lost)).State, (await app.GetAsync(lost)).Errors.Count)); // the rescuer's now
        gate.Open();
        await app.LoggedAsync(1427);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("timeout 0", "The timeout 00:00:00 is not allowed; use 10 ms to 30 days")]
    [InlineData("timeout -1", "The timeout -00:00:01 is not allowed; use 10 ms to 30 days")]
    [InlineData("timeout 31 days", "The timeout 31.00:00:00 is not allowed; use 10 ms to 30 days")]
    [InlineData("expires 0", "The expiry 00:00:00 is not allowed; use more than 0, up to 3653 days")]
    [InlineData("expires -1", "The expiry -00:00:01 is not allowed; use more than 0, up to 3653 days")]
    [InlineData("expires 3654 days", "The expiry 3654.00:00:00 is not allowed; use more than 0, up to 3653 days")]
    [InlineData("json: timeout 0", "The timeout 00:00:00 is not allowed; use 10 ms to 30 days")]
    [InlineData("type: timeout -1", "The [Job] attribute of Unending breaks a rule. The timeout -00:00:01 is not allowed; use 10 ms to 30 days")]
    [InlineData("type: expires -1", "The [Job] attribute of Unborn breaks a rule. The expiry -00:00:01 is not allowed")]
    public async Task Deadline_outside_its_range_is_refused_at_the_call(string name, string expected)
    {
        await using var app = await TestApp.CreateAsync();
        Task With(EnqueueOptions options) => app.Jobs.EnqueueAsync(new Work(), options);
        var error = await Record.ExceptionAsync(() => name switch
        {
            "timeout 0" => With(new() { Timeout = TimeSpan.Zero }),
            "timeout -1" => With(new() { Timeout = TimeSpan.FromSeconds(-1) }),
            "timeout 31 days" => With(new() { Timeout = TimeSpan.FromDays(31) }),
            "expires 0" => With(new() { Expires = TimeSpan.Zero }),
            "expires -1" => With(new() { Expires = TimeSpan.FromSeconds(-1) }),
            "expires 3654 days" => With(new() { Expires = TimeSpan.FromDays(3654) }),
            "json: timeout 0" => app.Jobs.EnqueueJsonAsync("test.work", "{}", new() { Timeout = TimeSpan.Zero }),
            "type: timeout -1" => app.Jobs.EnqueueAsync(new Unending()),
            "type: expires -1" => app.Jobs.EnqueueAsync(new Unborn()),
            _ => throw new NotSupportedException(name),
        });
        Assert.True(error is ArgumentException or InvalidOperationException, error?.ToString() ?? "no error");
        Assert.Contains(expected, error!.Message, StringComparison.Ordinal);
        Assert.Equal(0, await app.LiveAsync());
    }

    /// <summary>In a hurry by its type.</summary>
    [Job("test.hasty", TimeoutSeconds = 0.05)]
    internal sealed record Hasty(int Number);

    internal sealed class HastyHandler(Run run) : IJobOutcomeHandler<Hasty>
    {
        public Task<JobOutcome> HandleAsync(Hasty job, JobContext context, CancellationToken ct) => run(new Work(job.Number), context, ct);
    }

    [Job("test.unending", TimeoutSeconds = -1)]
    private sealed record Unending;

    [Job("test.unborn", ExpiresSeconds = -1)]
    private sealed record Unborn;
}
