namespace Jobs.Tests.Engine;

/// <summary>Who is there, who is dead, and what a process does that was taken for dead by mistake.</summary>
public sealed class SessionTests
{
    private static readonly Action<JobsOptions> QuickHeart = o => o.SessionTtl = TimeSpan.FromSeconds(5);

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Each_process_describes_itself_and_leaves_when_it_stops()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.StartAsync(app.Build(b => b.AddWorker(w => w.Queue("mail", 3).Queue("pdf", 1).Handle<Work, Idle>()).AddScheduler()));
        var producer = await app.ProducerAsync();
        var sessions = await app.Operator.SessionsAsync();
        Assert.Equal(2, sessions.Count);
        var worker = sessions[0];
        Assert.Equal(["producer", "worker", "scheduler"], worker.Roles);
        Assert.Equal(new SortedDictionary<string, int> { ["mail"] = 3, ["pdf"] = 1 }, new SortedDictionary<string, int>(worker.Queues.ToDictionary()));
        Assert.Equal((Environment.ProcessId, $"{Environment.MachineName}/tests"), (worker.ProcessId, worker.Host));
        Assert.Equal(["producer"], sessions[1].Roles);

        await app.StopAsync(producer);
        Assert.Equal(worker.Id, Assert.Single(await app.Operator.SessionsAsync()).Id);
        await app.StopAsync(host);
        Assert.Empty(await app.Operator.SessionsAsync());
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Heartbeat_tells_how_many_attempts_run()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync, options: QuickHeart);
        await app.Jobs.EnqueueManyAsync([new Work(1), new Work(2), new Work(3)]);
        await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s.Single().Running == 3, "three attempts in the heartbeat");
        gate.Open();
        await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s.Single().Running == 0, "none in the heartbeat");
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Process_that_was_taken_for_dead_cancels_its_handlers_opens_a_new_session_and_works_on()
    {
        await using var app = await TestApp.CreateAsync();
        var (first, second) = (new Gate(), new Gate());
        await app.WorkerAsync((job, context, ct) => (context.Attempt == 1 ? first : second).RunAsync(job, context, ct), options: QuickHeart);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await first.Begun;
        var old = Assert.Single(await app.Operator.SessionsAsync()).Id;

        Assert.Equal(1, await app.SqlAsync("delete from jobs.session"));
        await first.Cancelled;
        var now = (await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s.Count == 1, "a new session")).Single().Id;
        Assert.NotEqual(old, now);

        await app.SchedulerAsync(options: QuickHeart);
        await second.Begun;
        Assert.Equal((JobState.Running, 2, now), ((await app.GetAsync(id)).State, (await app.GetAsync(id)).Attempt, (await app.GetAsync(id)).Session));
        second.Open();
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 2, 0, 1), (ended.State, ended.Attempt, ended.Failures, ended.Crashes));
        Assert.Equal((0, 1), (await app.LiveAsync(), await app.EndedAsync()));
    }

    [Fact]
    public async Task Rescued_job_cannot_be_completed_by_its_former_session()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        await app.WorkerAsync(gate.RunAsync, options: QuickHeart);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;

        await app.SqlAsync("delete from jobs.session");
        var back = Assert.Single(await app.Repair.RescueIfOrphanedAsync(10, 3, default));
        Assert.Equal((id, 2), (back.Id, back.Dispatch));
        var other = Guid.NewGuid();
        Assert.Equal(2, Assert.Single(await app.ClaimAsync(other, id, dispatch: 2)).Attempt);
        var before = await app.RowAsync(id);

        gate.Open(); // the first run returns as if nothing had happened
        await app.LoggedAsync(1431);
        Assert.Equal(before, await app.RowAsync(id));
        Assert.Equal(0, await app.EndedAsync());
        Assert.Equal(1, await app.SucceedAsync(other, id, attempt: 2));
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(true)]   // its lock is gone
    [InlineData(false)]  // its heartbeat stopped
    public async Task Dead_process_is_noticed_and_its_jobs_run_elsewhere(bool byLock)
    {
        await using var app = await TestApp.CreateAsync();
        var dead = await app.DeadSessionAsync(locks: byLock);
        if (!byLock)
        {
            await app.SqlAsync("update jobs.session set heartbeat_at = now() - interval '1 hour'");
        }

        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(dead, id);
        await app.WorkerAsync(Runs.Done, options: QuickHeart);
        await app.SchedulerAsync(options: QuickHeart);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 2, 0, 1), (ended.State, ended.Attempt, ended.Failures, ended.Crashes));
        Assert.DoesNotContain(await app.Operator.SessionsAsync(), s => s.Id == dead);
        Assert.Contains(byLock ? "its lock is gone" : "no heartbeat", Assert.Single(app.Log.Of(1510)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Living_process_is_left_alone_whether_it_holds_a_lock_or_not()
    {
        await using var app = await TestApp.CreateAsync();
        await app.ProducerAsync();
        await app.ProducerAsync(o => o.AdvisoryLocks = false);
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.session where lock_key is null"));
        var ids = (await app.Operator.SessionsAsync()).Select(s => s.Id).ToArray();
        for (var sweep = 0; sweep < 3; sweep++)
        {
            Assert.Empty(await app.Repair.SweepSessionsAsync(TimeSpan.FromSeconds(15), ids, default)); // as if all had been suspects before
        }

        Assert.Equal(2, (await app.Operator.SessionsAsync()).Count);
    }

    [Fact]
    public async Task Missing_lock_must_be_seen_twice_before_a_process_is_dead()
    {
        await using var app = await TestApp.CreateAsync();
        var dead = await app.DeadSessionAsync();
        // The first seconds of a database prove nothing; after them the session is suspected first, and ended in the next sweep.
        var first = await Eventually.SeeAsync(() => app.Repair.SweepSessionsAsync(TimeSpan.FromMinutes(10), [], default), s => s.Count > 0, "a suspect");
        Assert.Equal((dead, false), (Assert.Single(first).Id, first[0].Ended));
        Assert.Single(await app.Operator.SessionsAsync());
        var second = await app.Repair.SweepSessionsAsync(TimeSpan.FromMinutes(10), [dead], default);
        Assert.Equal((dead, true), (Assert.Single(second).Id, second[0].Ended));
        Assert.Empty(await app.Operator.SessionsAsync());
    }

    private sealed class Idle : IJobHandler<Work>
    {
        public Task HandleAsync(Work job, JobContext context, CancellationToken ct) => Task.CompletedTask;
    }
}
