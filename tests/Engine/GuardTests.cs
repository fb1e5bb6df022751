namespace Jobs.Tests.Engine;

/// <summary>The guards of the writes: whoever is not the owner any more changes nothing at all.</summary>
public sealed class GuardTests
{
    private readonly Guid _session = Guid.NewGuid();

    [Fact]
    public async Task Stale_attempt_cannot_complete()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        Assert.Equal(1, Assert.Single(await app.ClaimAsync(_session, id)).Attempt);
        Assert.Equal(2, Assert.Single(await app.Store.HandBackIfRunningAsync(_session, [id.Value], default)).Dispatch);
        Assert.Equal(2, Assert.Single(await app.ClaimAsync(_session, id, dispatch: 2)).Attempt);

        await AssertRefusedAsync(app, _session, id, attempt: 1);
        Assert.Equal(1, await app.SucceedAsync(_session, id, attempt: 2));
        Assert.Equal((JobState.Succeeded, 2), ((await app.GetAsync(id)).State, (await app.GetAsync(id)).Attempt));
    }

    [Fact]
    public async Task Other_session_cannot_complete()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(_session, id);
        await AssertRefusedAsync(app, Guid.NewGuid(), id, attempt: 1);
        Assert.Empty(await app.Store.HandBackIfRunningAsync(Guid.NewGuid(), [id.Value], default));
        Assert.Equal(JobState.Running, (await app.GetAsync(id)).State);
    }

    [Fact]
    public async Task Job_that_does_not_run_cannot_be_completed()
    {
        await using var app = await TestApp.CreateAsync();
        var queued = await app.Jobs.EnqueueAsync(new Work());
        await AssertRefusedAsync(app, _session, queued, attempt: 0);
        var deferred = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(_session, deferred);
        Assert.Equal(1, await app.DeferAsync(_session, deferred, attempt: 1));
        await AssertRefusedAsync(app, _session, deferred, attempt: 1);
    }

    [Fact]
    public async Task End_is_recorded_once_however_often_it_is_written()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(_session, id);
        var written = await Task.WhenAll(Enumerable.Range(0, 16).Select(n => n % 2 == 0 ? app.SucceedAsync(_session, id, 1) : app.EndAsync(_session, id, 1)));
        Assert.Equal(1, written.Sum());
        Assert.Equal((0, 1), (await app.LiveAsync(), await app.EndedAsync()));
        Assert.Equal(0, await app.DeferAsync(_session, id, 1));
        Assert.Equal(0, await app.EndAsync(_session, id, 1));
    }

    [Fact]
    public async Task Stale_dispatch_cannot_claim()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(_session, id);
        await app.Store.HandBackIfRunningAsync(_session, [id.Value], default);
        var before = await app.RowAsync(id);
        foreach (var dispatch in new[] { -1, 0, 1, 3 })
        {
            Assert.Empty(await app.ClaimAsync(_session, id, dispatch));
        }

        Assert.Equal(before, await app.RowAsync(id));
        Assert.Single(await app.ClaimAsync(_session, id, dispatch: 2));
    }

    [Fact]
    public async Task Ticket_of_another_queue_or_type_cannot_claim()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Queue = "mail" });
        var before = await app.RowAsync(id);
        Assert.Empty(await app.ClaimAsync(_session, id, queue: "default"));
        Assert.Empty(await app.ClaimAsync(_session, id, queue: "mail", types: "test.other"));
        Assert.Empty(await app.Store.ReleaseIfUnhandledAsync([id.Value], [1], "default", ["test.other"], default));
        Assert.Empty(await app.Store.ReleaseIfUnhandledAsync([id.Value], [2], "mail", ["test.other"], default));
        Assert.Empty(await app.Store.ReleaseIfUnhandledAsync([id.Value], [1], "mail", ["test.work"], default));
        Assert.Equal(before, await app.RowAsync(id));
        Assert.Single(await app.ClaimAsync(_session, id, queue: "mail"));
    }

    [Fact]
    public async Task Job_is_claimed_by_one_of_many_that_hold_its_ticket()
    {
        await using var app = await TestApp.CreateAsync();
        var ids = new List<JobId>();
        for (var i = 0; i < 5; i++)
        {
            ids.Add(await app.Jobs.EnqueueAsync(new Work(i)));
        }

        var claims = await Task.WhenAll(Enumerable.Range(0, 8).SelectMany(_ => ids.Select(id => app.ClaimAsync(Guid.NewGuid(), id))));
        Assert.Equal(ids.Select(i => (i, 1)), claims.SelectMany(c => c).Select(c => (c.Id, c.Attempt)).OrderBy(c => c.Id.Value.ToString(), StringComparer.Ordinal));
    }

    [Fact]
    public async Task Job_that_is_not_queued_cannot_be_claimed()
    {
        await using var app = await TestApp.CreateAsync();
        var scheduled = await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        var running = await app.Jobs.EnqueueAsync(new Work());
        Assert.Single(await app.ClaimAsync(_session, running));
        var ended = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(_session, ended);
        await app.SucceedAsync(_session, ended, attempt: 1);
        foreach (var id in new[] { scheduled, running, ended, JobId.New() })
        {
            Assert.Empty(await app.ClaimAsync(_session, id));
        }
    }

    [Fact]
    public async Task Ended_job_cannot_be_revived()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var id = JobId.New();
        await app.Jobs.EnqueueAsync(new Work(1), new() { Id = id });
        var before = await app.EndedAsync(id);
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(2), new() { Id = id }));
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(2), new() { Id = id, Delay = TimeSpan.FromHours(1) }));
        Assert.Equal(id, await app.Jobs.EnqueueJsonAsync("test.work", "{}", new() { Id = id }));
        await app.Jobs.EnqueueManyAsync([new Work(2), new Work(3)], w => w.Number == 2 ? new() { Id = id } : null);
        await app.AllEndedAsync(2);
        Assert.Equal([1, 3], app.Runs.Select(r => r.Job.Number));
        Assert.Equivalent(before, await app.GetAsync(id), strict: true);
    }

    [Fact]
    public async Task Late_claim_of_a_session_that_was_ended_is_found_and_rescued()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(_session, id); // its row was deleted before this was committed
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 2, 1, 0), (ended.State, ended.Attempt, ended.Crashes, ended.Failures));
    }

    [Fact]
    public async Task Living_sessions_jobs_are_not_rescued()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(await app.DeadSessionAsync(), id);
        var before = await app.RowAsync(id);
        Assert.Empty(await app.Repair.RescueIfOrphanedAsync(10, 3, default));
        Assert.Equal(before, await app.RowAsync(id));
    }

    [Fact]
    public async Task Job_that_kills_its_worker_for_the_third_time_has_failed()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        for (var dispatch = 1; dispatch <= 3; dispatch++)
        {
            Assert.Single(await app.ClaimAsync(_session, id, dispatch));
            Assert.Equal(dispatch < 3 ? dispatch + 1 : -1, Assert.Single(await app.Repair.RescueIfOrphanedAsync(10, poisonAfter: 3, default)).Dispatch);
        }

        var ended = await app.GetAsync(id);
        Assert.Equal((JobState.Failed, 3, 3, 0), (ended.State, ended.Attempt, ended.Crashes, ended.Failures));
        Assert.Equal(("Jobs.Poison", 3, _session), (Assert.Single(ended.Errors).Type, ended.Errors[0].Attempt, ended.Errors[0].Session));
        await AssertGoneAsync(app, id);
    }

    [Fact]
    public async Task Replaced_leader_writes_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueAsync(new Work());
        var (old, now) = (await app.DeadSessionAsync(), await app.DeadSessionAsync());
        Assert.Equal(1, await app.Sessions.LeadAsync(old, TimeSpan.FromMinutes(1), default));
        Assert.Null(await app.Sessions.LeadAsync(now, TimeSpan.FromMinutes(1), default));
        await app.SqlAsync("delete from jobs.session where id = $1", old);
        Assert.Equal(2, await app.Sessions.LeadAsync(now, TimeSpan.FromMinutes(1), default));

        Assert.Null(await app.Repair.MarkIfLeaderAsync("default", 1, old, default));
        Assert.Null(await app.Repair.MarkIfLeaderAsync("default", 2, old, default));
        Assert.Null(await app.Repair.MarkIfLeaderAsync("default", 1, now, default));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.queue"));
        Assert.NotNull(await app.Repair.MarkIfLeaderAsync("default", 2, now, default));

        await app.SqlAsync("update jobs.queue set swept_to = now() + interval '1 hour'");
        Assert.Empty(await app.Repair.ResendIfLostAsync("default", 10, TimeSpan.Zero, 1, old, default));
        Assert.Empty(await app.Repair.ResendIfLostAsync("default", 10, TimeSpan.Zero, 2, old, default));
        Assert.Single(await app.Repair.ResendIfLostAsync("default", 10, TimeSpan.Zero, 2, now, default));
    }

    [Fact]
    public async Task Ticket_is_sent_again_under_the_same_dispatch_and_only_if_it_is_older_than_the_marker()
    {
        await using var app = await TestApp.CreateAsync();
        var leader = await app.DeadSessionAsync();
        await app.Sessions.LeadAsync(leader, TimeSpan.FromMinutes(1), default);
        var (old, fresh) = (await app.Jobs.EnqueueAsync(new Work()), await app.Jobs.EnqueueAsync(new Work()));
        await app.SqlAsync("update jobs.job set ticket_at = now() - interval '1 minute' where id = $1", old.Value);
        await app.Repair.MarkIfLeaderAsync("default", 1, leader, default);
        await app.SqlAsync("update jobs.queue set swept_to = marker_at");
        var sent = Assert.Single(await app.Repair.ResendIfLostAsync("default", 10, TimeSpan.FromSeconds(30), 1, leader, default));
        Assert.Equal((old, 1), (sent.Id, sent.Dispatch));
        Assert.Empty(await app.Repair.ResendIfLostAsync("default", 10, TimeSpan.FromSeconds(30), 1, leader, default));
        Assert.Equal(JobState.Queued, (await app.GetAsync(fresh)).State);
    }

    private static async Task AssertRefusedAsync(TestApp app, Guid session, JobId id, int attempt)
    {
        var before = await app.RowAsync(id);
        Assert.NotNull(before);
        Assert.Equal(0, await app.SucceedAsync(session, id, attempt));
        Assert.Equal(0, await app.EndAsync(session, id, attempt));
        Assert.Equal(0, await app.DeferAsync(session, id, attempt));
        Assert.Equal(before, await app.RowAsync(id));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.history where id = $1", id.Value));
    }

    private static async Task AssertGoneAsync(TestApp app, JobId id)
    {
        Assert.Null(await app.RowAsync(id));
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.history where id = $1", id.Value));
    }
}
