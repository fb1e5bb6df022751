using Jobs.Postgres;
using Jobs.Producer;

namespace Jobs.Tests.Engine;

/// <summary>The story of a job: what happened to it, told from its row, its events and those who ran it.</summary>
public sealed class StoryTests
{
    private static readonly Action<JobsOptions> QuickHeart = o => o.SessionTtl = TimeSpan.FromSeconds(5);
    private static readonly string Here = $"{Environment.MachineName}/tests, process {Environment.ProcessId}";

    private readonly Guid _session = Guid.NewGuid();

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Retries_and_snoozes_are_told_with_their_workers_also_after_these_have_stopped()
    {
        await using var app = await TestApp.CreateAsync();
        var worker = await app.WorkerAsync(Runs.InOrder(
            () => throw new FormatException("not a number"), () => JobOutcome.SnoozeFor(TimeSpan.FromHours(1)), () => JobOutcome.Succeeded), retry: new RetryPolicy(delay: _ => TimeSpan.Zero));
        await app.SchedulerAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.SeeAsync(id, j => j is { State: JobState.Scheduled, Attempt: 2 }, "it snoozes");
        await app.MakeDueAsync(id);
        var job = await app.EndedAsync(id);
        await app.StopAsync(worker);

        Assert.Equal(["retried", "snoozed"], job.Events.Select(e => e.What));
        Assert.All(job.Events, e => Assert.NotNull(e.StartedAt));
        Assert.Equal(TimeSpan.FromHours(1), job.Events[1].DueAt - job.Events[1].At);
        var story = (await app.Operator.TimelineAsync(id))!;
        Assert.Equal(["enqueued", "started", "retried", "started", "snoozed", "started", "succeeded"], story.Select(l => l.What));
        Assert.Equal("Enqueued by app tests", story[0].Text);
        Assert.Equal([null, 1, 1, 2, 2, 3, 3], story.Select(l => l.Attempt));
        Assert.All(story.Skip(1), l => Assert.Equal(Here, l.Worker));
        Assert.Equal(("System.FormatException", "not a number"), (story[2].Error!.Type, story[2].Error!.Message));
        Assert.Contains("Attempt 1 failed after ", story[2].Text, StringComparison.Ordinal);
        Assert.Contains("System.FormatException: not a number. Tried again at once", story[2].Text, StringComparison.Ordinal);
        Assert.EndsWith("Run again after 60 min, with no attempt used up", story[4].Text, StringComparison.Ordinal);
        Assert.StartsWith("Succeeded after ", story[6].Text, StringComparison.Ordinal);
        Assert.Equal(job.EndedAt - job.StartedAt, story[6].Took);
        Assert.Equal(story.Select(l => l.At).Order(), story.Select(l => l.At));
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Job_that_snoozes_for_ever_keeps_its_first_events_and_the_newest()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        for (var attempt = 1; attempt <= 130; attempt++)
        {
            await app.SqlAsync("update jobs.job set state = 'running', attempt = $2, session = $3, started_at = now() where id = $1", id.Value, attempt, _session);
            Assert.Equal(1, await app.DeferAsync(_session, id, attempt));
        }

        var job = await app.GetAsync(id);
        Assert.Equal(Enumerable.Range(1, 20).Concat(Enumerable.Range(51, 80)), job.Events.Select(e => e.Attempt!.Value));
        var story = (await app.Operator.TimelineAsync(id))!;
        var cut = Assert.Single(story, l => l.What == "leftOut");
        Assert.Equal(20, story.TakeWhile(l => l != cut).Count(l => l.What == "snoozed"));
        Assert.Equal(80, story.SkipWhile(l => l != cut).Count(l => l.What == "snoozed"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Crash_is_told_with_the_worker_that_died()
    {
        await using var app = await TestApp.CreateAsync();
        var dead = await app.DeadSessionAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(dead, id);
        await app.WorkerAsync(Runs.Done, options: QuickHeart);
        await app.SchedulerAsync(options: QuickHeart);
        await app.EndedAsync(id);

        Assert.Equal("lost", await app.ScalarAsync<string>("select ending from jobs.past_session where id = $1", dead));
        var story = (await app.Operator.TimelineAsync(id))!;
        Assert.Equal(["enqueued", "started", "crashed", "started", "succeeded"], story.Select(l => l.What));
        Assert.Equal("Attempt 1 started on dead/tests, process 1", story[1].Text);
        Assert.Equal((1, dead, "dead/tests, process 1"), (story[2].Attempt, story[2].Session, story[2].Worker));
        Assert.Equal(Here, story[3].Worker);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_that_was_handed_back_tells_by_whom()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        var worker = await app.WorkerAsync(gate.RunAsync, more: w => w.ShutdownGrace = TimeSpan.Zero);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        var session = (await app.GetAsync(id)).Session!.Value;
        await app.StopAsync(worker);
        gate.Open();

        Assert.Equal("closed", await app.ScalarAsync<string>("select ending from jobs.past_session where id = $1", session));
        var story = (await app.Operator.TimelineAsync(id))!;
        Assert.Equal(["enqueued", "started", "handedBack"], story.Select(l => l.What));
        Assert.Equal((session, Here), (story[2].Session, story[2].Worker));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Jobs_it_waited_for_are_told_and_what_their_end_made_of_it()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((job, _, _) => Task.FromResult(job.Number == 1 ? JobOutcome.FailNow("no") : JobOutcome.Succeeded));
        var good = await app.Jobs.EnqueueAsync(new Work(0), new() { Delay = TimeSpan.FromHours(1) });
        var bad = await app.Jobs.EnqueueAsync(new Work(1), new() { Delay = TimeSpan.FromHours(1) });
        var child = await app.Jobs.EnqueueAsync(new Work(2), new() { After = [good, bad] });
        await app.SchedulerAsync();
        await app.MakeDueAsync(good);
        await app.EndedAsync(good);
        await app.MakeDueAsync(bad);
        await app.EndedAsync(child);

        var story = (await app.Operator.TimelineAsync(child))!;
        Assert.Equal(["enqueued", "parentEnded", "parentEnded", "cancelled"], story.Select(l => l.What));
        Assert.Equal("Enqueued by app tests; it waits for 2 other jobs", story[0].Text);
        Assert.Equal([good, bad], story.Skip(1).Take(2).Select(l => l.Other!.Value));
        Assert.EndsWith("has succeeded", story[1].Text, StringComparison.Ordinal);
        Assert.EndsWith("has failed", story[2].Text, StringComparison.Ordinal);
        Assert.Contains("Jobs.ParentDidNotSucceed", story[3].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Worker_after_worker_without_a_handler_is_one_event()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Other());
        for (var dispatch = 1; dispatch <= 3; dispatch++)
        {
            Assert.Single(await app.Store.ReleaseIfUnhandledAsync([id.Value], [dispatch], "default", ["test.work"], default));
            await app.MakeDueAsync(id);
            await app.Repair.PromoteIfDueAsync(10, default);
        }

        var only = Assert.Single((await app.GetAsync(id)).Events);
        Assert.Equal("unhandled", only.What);
        Assert.True(only.DueAt > only.At.AddSeconds(29), "the newest due time is kept");
        Assert.Equal(["enqueued", "unhandled"], (await app.Operator.TimelineAsync(id))!.Select(l => l.What));
    }

    [Fact]
    public async Task Unknown_job_has_no_story()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.Null(await app.Operator.TimelineAsync(JobId.New()));
    }

    [Theory]
    [InlineData("priority", "8", "24", "Priority 8 became 24 by ops@host: soon")]
    [InlineData("aged", "8", "9", "Priority 8 became 9, because it has waited long")]
    [InlineData("queue", "mail", "bulk", "Moved from queue mail to bulk by ops@host: soon")]
    [InlineData("time", null, "2030-01-01", "Its time was changed to 2030-01-01 by ops@host: soon")]
    [InlineData("cancelRequested", null, null, "Its end was asked for by ops@host: soon")]
    [InlineData("retryNow", null, null, "Made due at once by ops@host: soon")]
    [InlineData("unheardOf", "1", null, "unheardOf, from 1 by ops@host: soon")]
    public void What_others_did_is_told_with_who_and_why(string what, string? from, string? to, string text)
    {
        var job = Example(JobState.Queued) with { Events = [new(Start.AddSeconds(1), what) { By = "ops@host", Reason = "soon", From = from, To = to }] };
        var line = Timeline.Of(job, new Dictionary<Guid, string>(), new Dictionary<JobId, (JobState, DateTimeOffset?)>())[1];
        Assert.Equal((what, text, "ops@host", "soon"), (line.What, line.Text, line.By, line.Reason));
    }

    [Fact]
    public void Who_called_it_off_is_said_once_and_its_other_lives_are_named()
    {
        var (before, after) = (JobId.New(), JobId.New());
        var job = Example(JobState.Cancelled) with
        {
            EndedAt = Start.AddSeconds(5), RetryOf = before, RetriedAs = after, Attempt = 1, StartedAt = Start.AddSeconds(1), Session = _session, Origin = "sql psql",
            Events =
            [
                new(Start.AddSeconds(2), "retried") { Attempt = 1, StartedAt = Start.AddSeconds(1), Session = _session, DueAt = Start.AddHours(1) },
                new(Start.AddSeconds(5), "cancelled") { By = "ops@host", Reason = "no use" },
            ],
            Errors = [new(1, Start.AddSeconds(2), _session, "System.Exception", "broken", null), new(1, Start.AddSeconds(5), null, "Jobs.Cancelled", "called off", null)],
        };
        var story = Timeline.Of(job, new Dictionary<Guid, string>(), new Dictionary<JobId, (JobState, DateTimeOffset?)>());
        Assert.Equal(["enqueued", "started", "retried", "cancelled", "retriedAs"], story.Select(l => l.What));
        Assert.Equal($"Enqueued by plain SQL (psql); a new life of job {before}", story[0].Text);
        Assert.Equal($"Attempt 1 started on a worker that is not known any more (session {_session})", story[1].Text);
        Assert.Equal("Attempt 1 failed after 1.0 s: System.Exception: broken. Tried again after 60 min", story[2].Text);
        Assert.Equal("Cancelled by ops@host: no use. Jobs.Cancelled: called off", story[3].Text);
        Assert.Equal((null, after), (story[3].Attempt, story[4].Other));
    }

    [Fact]
    public void New_life_says_who_gave_it_and_why()
    {
        var before = JobId.New();
        var job = Example(JobState.Queued) with
        {
            RetryOf = before, Origin = "retry ops@host", Events = [new(Start, "retryNow") { By = "ops@host", Reason = "the disk was full", From = before.ToString() }],
        };
        var line = Assert.Single(Timeline.Of(job, new Dictionary<Guid, string>(), new Dictionary<JobId, (JobState, DateTimeOffset?)>()));
        Assert.Equal(("enqueued", $"Enqueued by ops@host; a new life of job {before}: the disk was full", "ops@host", before), (line.What, line.Text, line.By, line.Other));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Sessions_that_are_no_more_are_kept_for_ninety_days()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            insert into jobs.past_session (id, host, process_id, roles, queues, types, started_at, ended_at, ending, refused)
            select gen_random_uuid(), 'old', n, '{worker}', '{}', '{}', now() - interval '100 days', now() - case when n <= 5010 then interval '91 days' else interval '89 days' end, 'closed', 0
            from generate_series(1, 5020) n;
            insert into jobs.tally (what, at, n) values ('poison', now() - interval '49 hours', 1), ('poison', now() - interval '47 hours', 1)
            """);
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.past_session where host = 'old'"), n => n == 10, "only the young ones are left", app.Log.Tail);
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.tally"), n => n == 1, "only the young count is left", app.Log.Tail);
    }

    [Fact]
    public async Task Outcomes_that_came_too_late_are_counted_with_the_session()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        var worker = await app.WorkerAsync(gate.RunAsync, options: QuickHeart);
        await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        await app.SqlAsync("update jobs.job set attempt = attempt + 1"); // as if it had been claimed anew
        gate.Open();
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select sum(refused)::bigint from jobs.session where refused_at > now() - interval '1 minute'"), n => n == 1, "it is told with a heartbeat", app.Log.Tail);
        await app.StopAsync(worker);
        Assert.Equal(1, await app.ScalarAsync<long>("select sum(refused)::bigint from jobs.past_session where refused_at > now() - interval '1 minute'"));
    }

    private static DateTimeOffset Start { get; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static JobInfo Example(JobState state) => new()
    {
        Id = JobId.New(), Type = "test.work", Queue = "default", Priority = 16, State = state, Attempt = 0, Failures = 0, Crashes = 0, EnqueuedAt = Start, Arguments = "{}", Origin = "app tests",
    };
}
