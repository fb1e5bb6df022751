using System.Threading.RateLimiting;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.Producer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Engine;

/// <summary>Limits as apps use them, beside jobs.</summary>
public sealed class LimiterTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly Action<JobsOptions> QuickHeart = o => o.SessionTtl = TimeSpan.FromSeconds(5);

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Slots_are_shared_by_jobs_and_apps_and_each_waits_for_the_other()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("two") { Queue = "default", Slots = 2 });
        var (first, second) = (new Gate(), new Gate());
        await app.WorkerAsync((job, context, ct) => (job.Number == 1 ? first : second).RunAsync(job, context, ct));
        await app.Jobs.EnqueueAsync(new Work(1));
        await first.Begun;
        await using var here = Limiters(await app.ProducerAsync()).For("two");
        await using var there = Limiters(await app.ProducerAsync()).For("two");
        using (var lease = await here.AcquireAsync())
        {
            Assert.Equal((true, 2), (lease.IsAcquired, await HeldAsync(app, "two:")));
            Assert.Null(here.IdleDuration);
            await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(2)), JobState.Blocked);
            using var cancel = new CancellationTokenSource();
            var waiting = there.AcquireAsync(cancellationToken: cancel.Token).AsTask();
            await app.SeeAsync(() => there.GetStatistics()!.CurrentQueuedCount == 1, "it waits");
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
            Assert.Equal(0, there.GetStatistics()!.CurrentQueuedCount);
        }

        await second.Begun; // the app has given its slot to the job
        var last = there.AcquireAsync().AsTask();
        await app.SeeAsync(() => there.GetStatistics()!.CurrentQueuedCount == 1, "it waits again");
        first.Open();
        (await last.InTimeAsync()).Dispose(); // and a job to the app
        second.Open();
        await app.AllEndedAsync(2);
        await Eventually.SeeAsync(() => HeldAsync(app, "two:"), n => n == 0, "all is given back", app.Log.Tail);
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.hold"));
        await app.SeeAsync(() => here.IdleDuration is not null, "nothing is held here");
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Never_more_hold_a_slot_than_there_are_over_several_machines_and_jobs()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("three") { Queue = "default", Slots = 3 });
        var (inside, most) = (0, 0);
        async Task EnterAsync(CancellationToken ct)
        {
            var now = Interlocked.Increment(ref inside);
            InterlockedMax(ref most, now);
            await Task.Delay(1, ct);
            Interlocked.Decrement(ref inside);
        }

        await app.WorkerAsync(async (_, _, ct) => { await EnterAsync(ct); return JobOutcome.Succeeded; }, concurrency: 8);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 60).Select(n => new Work(n)));
        var hosts = new[] { await app.ProducerAsync(), await app.ProducerAsync() };
        await Task.WhenAll(hosts.SelectMany(h => Enumerable.Repeat(Limiters(h).For("three"), 4)).Select(limiter => Task.Run(async () =>
        {
            for (var n = 0; n < 10; n++)
            {
                using var lease = await limiter.AcquireAsync();
                Assert.True(lease.IsAcquired);
                await EnterAsync(default);
            }
        }))).InTimeAsync();
        await app.AllEndedAsync(60);
        Assert.InRange(most, 2, 3);
        await Eventually.SeeAsync(() => HeldAsync(app, "three:"), n => n == 0, "all is given back", app.Log.Tail);
    }

    [Fact]
    public async Task Slots_of_a_dead_process_are_free_with_the_end_of_its_session_and_it_hears_that_it_has_lost_them()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        var host = await app.ProducerAsync(QuickHeart);
        await using var dead = Limiters(host).For("one");
        await using var heir = Limiters(await app.ProducerAsync()).For("one");
        var lease = await dead.AcquireAsync();
        Assert.True(lease.TryGetMetadata(JobLimiters.Lost, out var lost));
        Assert.False(lost.IsCancellationRequested);
        var session = Session(host);
        var waiting = heir.AcquireAsync().AsTask();
        await app.SeeAsync(() => heir.GetStatistics()!.CurrentQueuedCount == 1, "it waits");
        await app.SqlAsync("delete from jobs.session where id = $1", session);
        using var inherited = await waiting.InTimeAsync();
        Assert.True(inherited.IsAcquired);
        await app.SeeAsync(() => lost.IsCancellationRequested, "the first one hears of it");
        lease.Dispose();
        var again = dead.AcquireAsync().AsTask(); // behind what was given back
        await app.SeeAsync(() => Session(host) != session, "it has another life");
        Assert.Equal(1, await HeldAsync(app, "one:"));
        var (said, hold) = (await Store(host).TakeAsync(new PermitAsk(session, Guid.NewGuid(), "one", null, 1, 1, 0.05, 0.005, 0.1), default), await app.ScalarAsync<long>("select count(*) from jobs.hold"));
        Assert.Equal(("gone", 1), (said.Said, hold)); // a late ask of the old life takes nothing
        inherited.Dispose();
        (await again.InTimeAsync()).Dispose();
    }

    [Fact]
    public async Task Sweep_that_ends_a_dead_session_gives_its_slots_back_and_a_close_too()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("four") { Queue = "default", Slots = 4 });
        var host = await app.ProducerAsync();
        var (dead, alive) = (await app.DeadSessionAsync(), Session(host));
        foreach (var (session, permits) in new[] { (dead, 1), (dead, 2), (alive, 1) })
        {
            var taken = await Store(host).TakeAsync(new PermitAsk(session, Guid.NewGuid(), "four", null, permits, 9, 0.05, 0.005, 0.1), default);
            Assert.Equal(("granted", permits), (taken.Said, taken.Granted));
        }

        Assert.Equal(4, await HeldAsync(app, "four:"));
        await app.SqlAsync("update jobs.session set heartbeat_at = now() - interval '1 hour' where id = $1", dead);
        Assert.Contains(await app.Repair.SweepSessionsAsync(TimeSpan.FromSeconds(15), [dead], default), s => s.Id == dead && s.Ended);
        Assert.Equal(1, await HeldAsync(app, "four:"));
        await app.StopAsync(host);
        Assert.Equal((0, 0), (await HeldAsync(app, "four:"), await app.ScalarAsync<long>("select count(*) from jobs.hold")));
    }

    [Fact]
    public async Task Slots_count_until_they_are_given_back_whatever_becomes_of_the_limit()
    {
        await using var app = await TestApp.CreateAsync();
        await using var limiter = Limiters(await app.ProducerAsync()).For("one");
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        var lease = await limiter.AcquireAsync();
        await app.Limits.RemoveAsync("one");
        Assert.Equal(1, await HeldAsync(app, "one:"));
        await app.Limits.SetAsync(new JobLimit("one") { Type = "test.work", Slots = 1 });
        Assert.Equal(1, await HeldAsync(app, "one:"));
        lease.Dispose();
        lease.Dispose();
        await Eventually.SeeAsync(() => HeldAsync(app, "one:"), n => n == 0, "it is given back once", app.Log.Tail);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Rate_holds_over_several_machines_and_a_block_serves_many()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("fast") { Type = "other", Rate = new(2000, Second) { Burst = 200 } });
        RateLimiter[] limiters = [Limiters(await app.ProducerAsync()).For("fast"), Limiters(await app.ProducerAsync()).For("fast")];
        var began = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(limiters.SelectMany(l => Enumerable.Repeat(l, 20)).Select(limiter => Task.Run(async () =>
        {
            for (var n = 0; n < 50; n++)
            {
                using var lease = await limiter.AcquireAsync();
                Assert.True(lease.IsAcquired);
            }
        }))).InTimeAsync();
        Assert.InRange(2000, 0, (2000 * TimeProvider.System.GetElapsedTime(began).TotalSeconds) + 200);
        Assert.All(limiters, l => Assert.Equal(1000, l.GetStatistics()!.TotalSuccessfulLeases));
        Assert.All(limiters, l => Assert.InRange(((GateLimiter)l).Asked, 1, 300)); // not one for each
        Assert.InRange(await app.ScalarAsync<double>("select lent from jobs.gate where id = 'fast:'"), 0.05, 2); // jobs keep as much of the burst back
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(null, "kept:")] // one meter for all
    [InlineData("text", "kept:a")]
    public async Task Jobs_leave_as_much_of_the_burst_as_loans_to_apps_need(string? key, string gate)
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("kept") { Queue = "default", Key = key, Rate = new(10, Hour) { Burst = 10 } });
        await app.SqlAsync("insert into jobs.gate (id, rule, lent) values ($1, 'kept', 1800)", gate); // half an hour, so five tokens
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 10).Select(n => new Work(n, "a")));
        await app.SqlAsync("select jobs.claim_limited($1, (select array_agg(id order by id) from jobs.job), array_fill(1, array[10]), 'default', array['test.work'], 0.1)", Guid.NewGuid());
        Assert.Equal((5, 5), (await InStateAsync("running"), await InStateAsync("blocked")));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.admit(array[$1], 0.06, 500)", gate)); // whoever admits knows it too
        await app.SqlAsync("update jobs.gate set lent = 0");
        Assert.Equal(5, await app.ScalarAsync<long>("select count(*) from jobs.admit(array[$1], 0.06, 500)", gate));

        Task<long> InStateAsync(string state) => app.ScalarAsync<long>("select count(*) from jobs.job where state = $1::jobs.state", state);
    }

    [Fact]
    public async Task What_cannot_be_given_now_is_refused_with_a_time_where_nobody_may_wait()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("daily") { Type = "other", Rate = new(2, TimeSpan.FromDays(1)) { Burst = 1 } });
        await using var limiter = Limiters(await app.ProducerAsync()).For("daily", queueLimit: 0);
        using (var lease = await limiter.AcquireAsync())
        {
            Assert.True(lease.IsAcquired);
        }

        using var refused = await limiter.AcquireAsync();
        Assert.True(refused.TryGetMetadata(MetadataName.RetryAfter, out var after));
        Assert.False(refused.IsAcquired);
        Assert.InRange(after, TimeSpan.FromHours(11.9), TimeSpan.FromHours(12.1));
        Assert.Equal([MetadataName.RetryAfter.Name], refused.MetadataNames);
        using var attempt = limiter.AttemptAcquire();
        Assert.False(attempt.IsAcquired);
        Assert.Equal((1, 2, 0, 0), limiter.GetStatistics() is { } s ? (s.TotalSuccessfulLeases, s.TotalFailedLeases, s.CurrentQueuedCount, s.CurrentAvailablePermits) : default);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Pause_by_a_job_that_was_told_to_come_back_later_holds_for_apps()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "text", Rate = new(1000, Second) });
        await app.WorkerAsync(Runs.That(JobOutcome.RateLimited(Hour)));
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(1, "a")), JobState.Blocked);
        await using var each = Limiters(await app.ProducerAsync()).ForEach<string>("tenant", name => name, queueLimit: 0);
        using var paused = await each.AcquireAsync("a");
        Assert.True(paused.TryGetMetadata(MetadataName.RetryAfter, out var after));
        Assert.Equal((false, true), (paused.IsAcquired, after > 0.9 * Hour));
        using var other = await each.AcquireAsync("b");
        Assert.True(other.IsAcquired);
    }

    [Fact]
    public async Task Attempt_gets_what_was_lent_after_the_first_has_asked_for_it()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("fast") { Type = "other", Rate = new(1000, Second) });
        await using var limiter = Limiters(await app.ProducerAsync()).For("fast");
        Assert.False(limiter.AttemptAcquire().IsAcquired);
        await app.SeeAsync(() => limiter.AttemptAcquire().IsAcquired, "it was lent meanwhile");
    }

    [Fact]
    public async Task Limit_that_is_not_there_or_is_asked_wrongly_is_an_error_that_says_what_to_do()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("keyed") { Key = "text", Slots = 1 });
        await app.Limits.SetAsync(new JobLimit("plain") { Type = "other", Slots = 2 });
        await app.Limits.SetAsync(new JobLimit("rate") { Type = "other", Rate = new(1, Hour) { Burst = 3 } });
        var limiters = Limiters(await app.ProducerAsync());
        foreach (var (limiter, remedy) in new[] { (limiters.For("none"), "IJobLimits.SetAsync"), (limiters.For("keyed"), "For(\"keyed\", value)"), (limiters.For("plain", "a"), "For(\"plain\")") })
        {
            Assert.Contains(remedy, (await Assert.ThrowsAsync<JobsException>(async () => await limiter.AcquireAsync())).Message, StringComparison.Ordinal);
        }

        foreach (var (name, most) in new[] { ("plain", 2), ("rate", 3) })
        {
            var limiter = limiters.For(name);
            Assert.Contains($"at most {most}", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await limiter.AcquireAsync(most + 1))).Message, StringComparison.Ordinal);
            using var lease = await limiter.AcquireAsync(most);
            Assert.True(lease.IsAcquired);
        }

        Assert.Throws<ArgumentException>(() => limiters.For("a b"));
        Assert.Throws<ArgumentOutOfRangeException>(() => limiters.For("a", queueLimit: -1));
        var silent = limiters.For("none");
        await app.SeeAsync(() => Record.Exception(() => silent.AttemptAcquire()) is JobsException, "an attempt is told too");
    }

    private static JobLimiters Limiters(IHost host) => host.Services.GetRequiredService<JobLimiters>();

    private static LimitStore Store(IHost host) => host.Services.GetRequiredService<LimitStore>();

    private static Guid Session(IHost host) => host.Services.GetRequiredService<Session>().Current.Id;

    private static Task<int> HeldAsync(TestApp app, string gate) => app.ScalarAsync<int>("select jobs.held(g) from jobs.gate g where id = $1", gate);

    private static void InterlockedMax(ref int place, int value)
    {
        for (int seen; (seen = Volatile.Read(ref place)) < value && Interlocked.CompareExchange(ref place, value, seen) != seen;)
        {
        }
    }
}
