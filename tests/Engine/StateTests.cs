namespace Jobs.Tests.Engine;

/// <summary>Every arrow of the state chart, through the public surface, as far as a job goes without failing.</summary>
public sealed class StateTests
{
    [Fact]
    public async Task Enqueued_job_is_queued_then_running_then_succeeded()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();

        var id = await app.Jobs.EnqueueAsync(new Work(7), new() { Priority = JobPriority.High });
        var queued = await app.GetAsync(id);
        Assert.Equal((JobState.Queued, 0, null, null), (queued.State, queued.Attempt, queued.Session, queued.DueAt));
        Assert.Equal(("test.work", "default", 24, """{"number":7,"text":""}"""), (queued.Type, queued.Queue, queued.Priority, queued.Arguments));

        await app.WorkerAsync(gate.RunAsync);
        var context = await gate.Begun;
        Assert.Equal(new JobContext(id, "test.work", "default", 24, Attempt: 1, Failures: 0, queued.EnqueuedAt), context);
        var running = await app.GetAsync(id);
        var session = Assert.Single(await app.Operator.SessionsAsync());
        Assert.Equal((JobState.Running, 1, session.Id), (running.State, running.Attempt, running.Session));
        Assert.True(running.StartedAt >= queued.EnqueuedAt);

        gate.Open();
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 1, 0, 0), (ended.State, ended.Attempt, ended.Failures, ended.Crashes));
        Assert.True(ended.EndedAt >= ended.StartedAt);
        Assert.Null(ended.Result);
        Assert.Empty(ended.Errors);
        Assert.Equal((0, 1), (await app.LiveAsync(), await app.EndedAsync()));
    }

    [Fact]
    public async Task Job_of_another_queue_and_priority_keeps_them()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, more: w => w.Queue("mail.out-1"));
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Queue = "mail.out-1", Priority = 31 });
        var ended = await app.EndedAsync(id);
        Assert.Equal(("mail.out-1", 31), (ended.Queue, ended.Priority));
        Assert.Equal(("mail.out-1", JobPriority.Highest), (Assert.Single(app.Runs).Context.Queue.Value, app.Runs.Single().Context.Priority));
    }

    [Fact]
    public async Task Delayed_job_is_scheduled_and_runs_once_it_is_due()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var later = await app.Jobs.EnqueueAsync(new Work(1), new() { Delay = TimeSpan.FromHours(1) });
        var soon = await app.Jobs.EnqueueAsync(new Work(2), new() { Delay = TimeSpan.FromMilliseconds(700) });
        var scheduled = await app.GetAsync(later);
        Assert.Equal((JobState.Scheduled, TimeSpan.FromHours(1)), (scheduled.State, scheduled.DueAt - scheduled.EnqueuedAt));

        await app.SchedulerAsync();
        var ended = await app.EndedAsync(soon);
        Assert.True(ended.StartedAt - ended.EnqueuedAt >= TimeSpan.FromMilliseconds(700), "it started before its time");
        Assert.Equal(JobState.Scheduled, (await app.GetAsync(later)).State);

        await app.MakeDueAsync(later);
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(later)).State);
    }

    [Fact]
    public async Task Job_with_a_time_waits_for_it_unless_it_is_past()
    {
        await using var app = await TestApp.CreateAsync();
        var now = await app.ScalarAsync<DateTime>("select now()");
        var time = new DateTimeOffset(now).AddDays(2);
        var future = await app.GetAsync(await app.Jobs.EnqueueAsync(new Work(), new() { RunAt = time.ToOffset(TimeSpan.FromHours(-7)) }));
        var past = await app.GetAsync(await app.Jobs.EnqueueAsync(new Work(), new() { RunAt = time.AddDays(-4) }));
        var zero = await app.GetAsync(await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.Zero }));
        var ancient = await app.GetAsync(await app.Jobs.EnqueueAsync(new Work(), new() { RunAt = DateTimeOffset.MinValue }));
        Assert.Equal((JobState.Scheduled, time), (future.State, future.DueAt));
        Assert.Equal((JobState.Queued, null), (past.State, past.DueAt));
        Assert.Equal((JobState.Queued, null), (zero.State, zero.DueAt));
        Assert.Equal((JobState.Queued, null), (ancient.State, ancient.DueAt));
    }

    [Fact]
    public async Task Snoozed_job_runs_again_and_no_attempt_is_used_up()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.InOrder(() => JobOutcome.SnoozeFor(TimeSpan.FromHours(1)), () => JobOutcome.Succeeded), retry: new RetryPolicy(maxAttempts: 1));
        var id = await app.Jobs.EnqueueAsync(new Work());
        var snoozed = await app.InStateAsync(id, JobState.Scheduled);
        Assert.Equal((1, 0, null), (snoozed.Attempt, snoozed.Failures, snoozed.Session));
        Assert.InRange(snoozed.DueAt!.Value - snoozed.StartedAt!.Value, TimeSpan.FromHours(1), TimeSpan.FromHours(1.1));
        Assert.Empty(snoozed.Errors);

        await app.SchedulerAsync();
        await app.MakeDueAsync(id);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 2, 0), (ended.State, ended.Attempt, ended.Failures));
    }

    [Fact]
    public async Task Result_is_stored_beside_the_ended_job()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((job, _, _) => Task.FromResult(JobOutcome.WithResult(new Work(job.Number + 1, "ende \0 漢字 🦊"))));
        var ended = await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(41)));
        Assert.Equal(JobState.Succeeded, ended.State);
        Assert.Equal(new Work(42, "ende \0 漢字 🦊"), System.Text.Json.JsonSerializer.Deserialize<Work>(ended.Result!, System.Text.Json.JsonSerializerOptions.Web));
    }
}
