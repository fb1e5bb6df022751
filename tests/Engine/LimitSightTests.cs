using System.Text.RegularExpressions;

namespace Jobs.Tests.Engine;

/// <summary>What is said of the jobs that limits hold back: why, until when, and when something is wrong with it.</summary>
public sealed class LimitSightTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_without_a_slot_is_told_which_limit_holds_it_back_who_has_its_slots_and_how_many_wait_before_it()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "text", Slots = 6 });
        var gates = new LimitTests.Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 8);
        var holders = new List<JobId>();
        for (var n = 1; n <= 6; n++)
        {
            holders.Add(await app.Jobs.EnqueueAsync(new Work(n, "a")));
            await gates.BegunAsync(n);
        }

        var last = await app.Jobs.EnqueueAsync(new Work(7, "a"), new() { Priority = JobPriority.Low });
        await app.InStateAsync(last, JobState.Blocked);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(8, "a")), JobState.Blocked);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(9, "a"), new() { Priority = JobPriority.High }), JobState.Blocked);
        var said = (await app.Operator.ExplainAsync(last))[0];
        Assert.Equal("limit-slots", said.Code);
        Assert.Equal($"The limit \"tenant\" for text = \"a\" lets 6 jobs run at once, and 6 run: {string.Join(", ", holders.Take(5).Select(h => $"job {h}"))} and others. 2 jobs wait before it.", said.Text);
        Assert.NotNull(said.Since);

        await app.Limits.SetKeyAsync("tenant", "a", slots: 0);
        said = (await app.Operator.ExplainAsync(last))[0];
        Assert.Equal("limit-slots", said.Code);
        Assert.Contains("has 0 slots", said.Text, StringComparison.Ordinal);
        await app.SqlAsync("update jobs.gate set paused_until = now() + interval '1 day', paused_by = $1", holders[0].Value);
        said = (await app.Operator.ExplainAsync(last))[0];
        Assert.Equal("limit-paused", said.Code);
        Assert.Contains($"the handler of job {holders[0]}", said.Text, StringComparison.Ordinal);
        Assert.InRange(said.Until!.Value - said.Since!.Value, Day, Day * 2);
        await app.SqlAsync("delete from jobs.limit_rule");
        Assert.Equal("limit-gone", (await app.Operator.ExplainAsync(last))[0].Code);
        for (var n = 1; n <= 9; n++)
        {
            gates.Open(n);
        }

        await app.SchedulerAsync();
        await app.AllEndedAsync(9);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_that_waits_for_a_rate_is_told_when_its_tokens_come()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("slow") { Queue = "default", Rate = new(24, Day) { Burst = 2, Cost = "number" } });
        await app.WorkerAsync(Runs.Done);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(1)));
        var first = await app.Jobs.EnqueueAsync(new Work(2));
        await app.InStateAsync(first, JobState.Blocked);
        var second = await app.Jobs.EnqueueAsync(new Work(1));
        await app.InStateAsync(second, JobState.Blocked);
        var (one, two) = ((await app.Operator.ExplainAsync(first))[0], (await app.Operator.ExplainAsync(second))[0]);
        Assert.Equal(("limit-rate", "limit-rate"), (one.Code, two.Code));
        Assert.Matches(new Regex("^The limit \"slow\" lets 24 start in 24 h, and 1 of that is left\\. It takes 2\\. The next chance is in \\d+ min\\. No job waits before it\\.", RegexOptions.ExplicitCapture, Day), one.Text);
        Assert.Contains("1 job waits before it.", two.Text, StringComparison.Ordinal);
        Assert.InRange(one.Until!.Value - one.Since!.Value, TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(61));
        Assert.InRange(two.Until!.Value - two.Since!.Value, TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(61)); // its own token is there; the one before it takes an hour
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("limited-stuck", Health.Bad, 2)]
    [InlineData("slots-stuck", Health.Bad, 2)]
    [InlineData("limits-closed", Health.Warn, 1)]
    [InlineData("limits-paused", Health.Warn, 1)]
    [InlineData("limited-long", Health.Warn, 1)]
    public async Task What_is_wrong_with_limits_is_found(string name, Health verdict, long value)
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        await app.Limits.SetAsync(new JobLimit("one") { Key = "text", Slots = 1 });
        await app.SqlAsync("""
            insert into jobs.gate (id, rule, waiting, taken) values ('one:a', 'one', true, 1);
            insert into jobs.job (id, type, queue, priority, state, args, session, started_at, slots) select gen_random_uuid(), 'test.work', 'default', 16, 'running', 'null', s.id, now(), array['one:a'] from jobs.session s limit 1;
            insert into jobs.job (id, type, queue, priority, state, args, started_at, blocked_on) values (gen_random_uuid(), 'test.work', 'default', 16, 'blocked', 'null', now() - interval '59 minutes', 'one:a');
            insert into jobs.queue (name, paused_at) values ('paused', now());
            insert into jobs.job (id, type, queue, priority, state, args, started_at, blocked_on) values (gen_random_uuid(), 'test.work', 'paused', 16, 'blocked', 'null', now() - interval '2 hours', 'gone:');
            insert into jobs.gate (id, rule, paused_until) values ('one:b', 'one', now() + interval '59 minutes')
            """);
        Assert.All((await app.Audit.LookAsync(default)).Where(f => f.Name.Contains("limit", StringComparison.Ordinal) || f.Name == "slots-stuck"), f => Assert.Equal(0, f.Value));
        await app.SqlAsync(name switch
        {
            "limited-stuck" => "insert into jobs.job (id, type, queue, priority, state, args, started_at, blocked_on) select gen_random_uuid(), 'test.work', 'default', 16, 'blocked', 'null', now(), g from unnest(array['none:', 'one:c']) g",
            "slots-stuck" => "update jobs.gate set taken = 2 where id = 'one:a'; insert into jobs.gate (id, rule, taken) values ('one:d', 'one', 1)",
            "limits-closed" => "update jobs.gate set slots = 0 where id = 'one:a'",
            "limits-paused" => "update jobs.gate set paused_until = now() + interval '2 hours' where id = 'one:b'",
            _ => "update jobs.job set started_at = now() - interval '61 minutes' where blocked_on = 'one:a'",
        });
        await app.Audit.PutIfLeaderAsync(await app.Audit.LookAsync(default), 1, await app.ScalarAsync<Guid>("select session from jobs.leader"), default);
        var checks = (await app.Operator.DoctorAsync()).Checks;
        var check = checks.Single(c => c.Name == name);
        Assert.Equal((verdict, value, true), (check.Verdict, check.Value!.Value, check.Remedy is not null));
        Assert.All(checks.Where(c => c.Name != name && (c.Name.Contains("limit", StringComparison.Ordinal) || c.Name == "slots-stuck")), c => Assert.Equal(Health.Ok, c.Verdict));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_limits_hold_hold_back_and_let_through_is_measured()
    {
        await using var app = await TestApp.CreateAsync();
        var scheduler = await app.SchedulerAsync();
        var gates = new LimitTests.Gates();
        var worker = await app.WorkerAsync(gates.RunAsync, concurrency: 4);
        using var worked = new Measured(worker);
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        for (var n = 1; n <= 3; n++)
        {
            var id = await app.Jobs.EnqueueAsync(new Work(n));
            await app.InStateAsync(id, n == 1 ? JobState.Running : JobState.Blocked);
        }

        using var scheduled = new Measured(scheduler);
        await scheduled.SeeAsync("jobs.limit.held", "limit=one", 1);
        await scheduled.SeeAsync("jobs.limit.waiting", "limit=one", 2);
        await worked.SeeAsync("jobs.limit.blocked", "queue=default", 2);
        for (var n = 1; n <= 3; n++)
        {
            gates.Open(n);
        }

        await app.AllEndedAsync(3);
        Assert.Equal(0, worked["jobs.claim.stale", "queue=default"]);
        Assert.Equal(2, worked["jobs.limit.admitted", "queue=default"] + scheduled["jobs.limit.admitted", "queue=default"]); // whoever was first
    }
}
