using Jobs.Postgres;

namespace Jobs.Tests.Engine;

/// <summary>A handler that was told to come back later: what stands behind the same limit waits too.</summary>
public sealed class PushBackTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly RateLimit Fast = new(1000, TimeSpan.FromSeconds(1));

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Told_to_come_back_later_no_worker_starts_a_job_of_that_key_before_and_then_the_oldest_of_the_highest_priority_is_first()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "text", Rate = new(5, TimeSpan.FromSeconds(1)) { Burst = 1 } }); // so they come one after another
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        await app.SchedulerAsync();
        Task<JobOutcome> Run(Work job, JobContext context, CancellationToken ct) =>
            Task.FromResult(job.Number == 1 && context.Attempt == 1 ? JobOutcome.RateLimited(Hour) : JobOutcome.Succeeded);
        await app.WorkerAsync(Run, concurrency: 4);
        await app.WorkerAsync(Run, concurrency: 4);

        var told = await app.Jobs.EnqueueAsync(new Work(1, "a"));
        var waits = await app.InStateAsync(told, JobState.Blocked);
        Assert.Equal((1, 0, null), (waits.Attempt, waits.Failures, waits.Session));
        Assert.InRange(await app.ScalarAsync<double>("select extract(epoch from paused_until - now())::float8 from jobs.gate where id = 'tenant:a' and paused_by = $1", told.Value), 3500, 3600);
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.gate g where id = 'one:' and (paused_until is not null or jobs.held(g) <> 0)")); // it has no rate, and its slot is free

        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(2, "a")), JobState.Blocked);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(3, "a"), new() { Priority = JobPriority.High }), JobState.Blocked);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(4, "b")));
        await app.SqlAsync("update jobs.gate set paused_until = now() where id = 'tenant:a'");
        await app.AllEndedAsync(4);
        Assert.Equal([1, 4, 3, 1, 2], app.Runs.Select(r => r.Job.Number));

        var job = await app.GetAsync(told);
        Assert.Equal((2, 0), (job.Attempt, job.Failures));
        Assert.Equal(("rateLimited", "tenant:a"), (job.Events.Single().What, job.Events[0].Reason));
        Assert.Equal(Hour, job.Events[0].DueAt - job.Events[0].At);
        var story = (await app.Operator.TimelineAsync(told))!;
        Assert.Equal(["enqueued", "started", "rateLimited", "started", "succeeded"], story.Select(l => l.What));
        Assert.Contains("Nothing is started at tenant:a until ", story[2].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Limit_that_is_named_is_paused_also_if_it_does_not_know_the_job_and_a_longer_pause_stands()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("api") { Type = "other.work", Rate = Fast });
        await app.Limits.SetAsync(new JobLimit("mine") { Queue = "default", Rate = Fast });
        await app.WorkerAsync((job, _, _) => Task.FromResult(JobOutcome.RateLimited(job.Number * Hour, "api")));
        var longer = await app.Jobs.EnqueueAsync(new Work(2));
        await app.InStateAsync(longer, JobState.Blocked);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(1)), JobState.Blocked);
        Assert.Equal(2, await app.ScalarAsync<long>("select count(*) from jobs.job where blocked_on = 'api:'"));
        Assert.Equal(longer.Value, await app.ScalarAsync<Guid>("select paused_by from jobs.gate where id = 'api:' and paused_until > now() + interval '90 minutes'"));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.gate where id <> 'api:' and paused_until is not null"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Limits_without_a_rate_are_paused_where_there_are_no_others_and_removing_them_ends_that()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("slots") { Type = "test.work", Slots = 5 });
        await app.WorkerAsync(Runs.InOrder(() => JobOutcome.RateLimited(Hour), () => JobOutcome.Succeeded));
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(1)), JobState.Blocked);
        await app.Limits.RemoveAsync("slots");
        await app.AllEndedAsync(1);
    }

    [Fact]
    public async Task Job_that_no_limit_knows_waits_alone_and_its_worker_warns_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "tenant.id", Rate = Fast });
        await app.WorkerAsync((job, _, _) => Task.FromResult(JobOutcome.RateLimited(Hour, job.Number == 1 ? null : "nobody")));
        foreach (var number in new[] { 1, 2 })
        {
            var job = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(number)), JobState.Scheduled);
            Assert.Equal((1, 0, Hour), (job.Attempt, job.Failures, job.DueAt - job.Events.Single().At));
            Assert.Equal("rate-limited", (await app.Operator.ExplainAsync(job.Id))[0].Code);
        }

        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.gate where paused_until is not null"));
        Assert.Contains("IJobLimits.SetAsync", Assert.Single(app.Log.Of(1433)).Text, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Attempt_that_was_taken_away_pauses_nothing_and_a_repetition_changes_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("mine") { Queue = "default", Slots = 2, Rate = Fast });
        var worker = await app.WorkerAsync((_, _, ct) => Task.Delay(Timeout.Infinite, ct).ContinueWith(_ => JobOutcome.Succeeded, TaskScheduler.Default));
        var running = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(1)), JobState.Running);
        foreach (var (session, attempt) in new[] { (Guid.NewGuid(), 1), (running.Session!.Value, 2) })
        {
            var (late, _) = await app.Store.PushBackIfRunningAsync(session, [new PushedBack(running.Id, attempt, Hour, null)], default);
            Assert.Equal(0, late.Written);
        }

        Assert.Equal((1, JobState.Running), (await app.ScalarAsync<int>("select jobs.held(g) from jobs.gate g where id = 'mine:' and paused_until is null"), (await app.GetAsync(running.Id)).State));
        foreach (var written in new[] { 1, 0 })
        {
            var (report, unknown) = await app.Store.PushBackIfRunningAsync(running.Session!.Value, [new PushedBack(running.Id, 1, Hour, null)], default);
            Assert.Equal((written, 0, 0), (report.Written, report.Gates.Count, unknown.Length));
            Assert.Equal(0, await app.ScalarAsync<int>("select jobs.held(g) from jobs.gate g where id = 'mine:' and paused_until is not null and waiting"));
        }

        await app.StopAsync(worker);
    }
}
