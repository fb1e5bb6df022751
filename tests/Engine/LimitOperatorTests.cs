namespace Jobs.Tests.Engine;

/// <summary>Limits as operators handle them: what they see, numbers for one value of a key, the end of a pause.</summary>
public sealed class LimitOperatorTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    [Trait("Category", "Slow")]
    [Fact]
    public async Task First_slots_of_a_key_count_what_runs_and_when_they_are_cleared_nothing_is_counted_any_more()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "text", Rate = new(1e6, TimeSpan.FromSeconds(1)) });
        var gates = new LimitTests.Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 16);
        foreach (var (number, tenant) in new[] { (1, "a"), (2, "a"), (3, "b") })
        {
            await app.Jobs.EnqueueAsync(new Work(number, tenant));
            await gates.BegunAsync(number);
        }

        await app.Limits.SetKeyAsync("tenant", "a", slots: 3);
        Assert.Equal((2, 1), (await LimitTests.HeldAsync(app, "tenant:a"), await LimitTests.HeldAsync(app, "tenant:b")));
        await app.Jobs.EnqueueAsync(new Work(4, "a"));
        await gates.BegunAsync(4);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(5, "a")), JobState.Blocked);
        await app.Jobs.EnqueueAsync(new Work(6, "b"));
        await gates.BegunAsync(6);

        Assert.True(await app.Limits.ClearKeyAsync("tenant", "a"));
        await gates.BegunAsync(5);
        Assert.Equal((0, 0), (await app.ScalarAsync<long>("select sum(jobs.held(g)) from jobs.gate g"), await app.ScalarAsync<long>("select count(*) from jobs.job where slots is not null")));
        Assert.False(await app.Limits.ClearKeyAsync("tenant", "a"));
        await app.Limits.SetKeyAsync("tenant", "b", slots: 1);
        for (var n = 1; n <= 6; n++)
        {
            gates.Open(n);
        }

        await app.AllEndedAsync(6);
        Assert.Equal(0, await app.ScalarAsync<long>("select sum(jobs.held(g)) from jobs.gate g"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Tokens_of_a_key_hold_in_place_of_the_limits_own_until_the_key_is_another_one()
    {
        await using var app = await TestApp.CreateAsync();
        var limit = new JobLimit("tenant") { Key = "text", Rate = new(1, Day) };
        await app.Limits.SetAsync(limit);
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(1, "a")));
        var second = await app.Jobs.EnqueueAsync(new Work(2, "a"));
        await app.InStateAsync(second, JobState.Blocked);
        await app.Limits.SetKeyAsync("tenant", "a", tokens: 86_400_000);
        await app.EndedAsync(second);

        await app.Limits.SetAsync(limit with { Rate = new(2, Day) });
        Assert.Equal((86_400_000, 86_400_000), await NumbersAsync());
        await app.Limits.SetAsync(limit with { Key = "number" });
        Assert.Equal((1, null), await NumbersAsync());

        async Task<(double?, double?)> NumbersAsync()
        {
            var gate = Assert.Single((await app.Limits.GetAsync("tenant", "a"))!.Gates);
            return (gate.RateTokens, gate.OwnTokens);
        }
    }

    [Fact]
    public async Task Numbers_that_a_key_cannot_have_are_refused_before_anything_is_written()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "text", Slots = 1 });
        await app.Limits.SetAsync(new JobLimit("rate") { Key = "text", Rate = new(1, TimeSpan.FromMilliseconds(1)) });
        await app.Limits.SetAsync(new JobLimit("whole") { Queue = "default", Slots = 1 });
        foreach (var (name, value, slots, tokens, said) in new (string, string, int?, double?, string)[]
        {
            ("tenant", "a", null, null, "neither slots nor tokens"), ("tenant", "a", -1, null, "-1 slots"), ("tenant", "a", null, 0, "0 tokens"), ("tenant", "a", null, 5, "has no rate"),
            ("tenant", new string('x', 1001), 1, null, "1,001 characters"), ("tenant", "a\0", 1, null, "no JSON"), ("rate", "a", null, 1001, "over 1,000,000 a second"), ("whole", "a", 1, null, "has no key"),
            ("no name", "a", 1, null, "\"no name\""),
        })
        {
            Assert.Contains(said, (await Assert.ThrowsAsync<ArgumentException>(() => app.Limits.SetKeyAsync(name, value, slots, tokens))).Message, StringComparison.Ordinal);
        }

        Assert.Contains("did you mean tenant?", (await Assert.ThrowsAsync<JobsException>(() => app.Limits.SetKeyAsync("tenat", "a", 1))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<JobsException>(() => app.Limits.ResumeAsync("other"));
        await Assert.ThrowsAsync<ArgumentException>(() => app.Limits.ResumeAsync("whole", "a"));
        await Assert.ThrowsAsync<ArgumentException>(() => app.Limits.GetAsync("whole", "a"));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => app.Limits.GetAsync("whole", most: 0));
        Assert.Null(await app.Limits.GetAsync("other"));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.gate"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_limits_hold_and_hold_back_is_seen_with_the_jobs_that_do()
    {
        await using var app = await TestApp.CreateAsync();
        var tenant = new JobLimit("tenant") { Key = "text", Slots = 1, Rate = new(2, TimeSpan.FromMilliseconds(1)) { Cost = "number" } };
        await app.Limits.SetAsync(tenant, new Act { By = "somebody", Reason = "too many" });
        await app.Limits.SetAsync(new JobLimit("ten") { Queue = "default", Slots = 10 });
        var gates = new LimitTests.Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 8);
        var (first, other) = (await app.Jobs.EnqueueAsync(new Work(1, "a")), await app.Jobs.EnqueueAsync(new Work(2, "b")));
        await gates.BegunAsync(1);
        await gates.BegunAsync(2);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(3, "b")), JobState.Blocked);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(4, "b")), JobState.Blocked);

        var all = await app.Limits.ListAsync();
        Assert.Equal([("ten", 2, 0), ("tenant", 2, 2)], all.Select(l => (l.Limit.Name, (int)l.Held, (int)l.Waiting)));
        Assert.Equal((tenant with { Rate = tenant.Rate with { Burst = 2000 } }, LimitOrigin.Operator, "somebody", "too many"), (all[1].Limit, all[1].Origin, all[1].By, all[1].Reason));
        var seen = (await app.Limits.GetAsync("tenant"))!.Gates;
        Assert.Equal([("b", 1, 1, 2L), ("a", 1, 1, 0L)], seen.Select(g => (g.Key!, g.Slots!.Value, g.Held, g.Waiting)));
        Assert.Equal([other, first], seen.Select(g => Assert.Single(g.Holders)));
        Assert.Equal(first, Assert.Single(Assert.Single((await app.Limits.GetAsync("tenant", "a"))!.Gates).Holders));
        Assert.Equal("b", Assert.Single((await app.Limits.GetAsync("tenant", most: 1))!.Gates).Key);
        var whole = Assert.Single((await app.Limits.GetAsync("ten"))!.Gates);
        Assert.Equal((null, 2, 2, null), (whole.Key, whole.Held, whole.Holders.Count, whole.Tokens));
        var unused = Assert.Single((await app.Limits.GetAsync("tenant", "nobody"))!.Gates);
        Assert.Equal((1, 0, 2000), (unused.Slots, unused.Held, unused.Tokens));
        for (var n = 1; n <= 4; n++)
        {
            gates.Open(n);
        }

        await app.AllEndedAsync(4);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(RateAlgorithm.TokenBucket)]
    [InlineData(RateAlgorithm.LeakyBucket)]
    [InlineData(RateAlgorithm.FixedWindow)]
    [InlineData(RateAlgorithm.SlidingWindow)]
    public async Task Meter_shows_the_tokens_that_are_left_and_when_the_next_comes(RateAlgorithm algorithm)
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("three") { Queue = "default", Rate = new(3, TimeSpan.FromDays(31)) { Algorithm = algorithm, Burst = algorithm == RateAlgorithm.TokenBucket ? 3 : null } });
        await app.WorkerAsync(Runs.Done);
        var left = new List<double>();
        LimitGate gate;
        do
        {
            gate = Assert.Single((await app.Limits.GetAsync("three"))!.Gates);
            left.Add(Math.Round(gate.Tokens!.Value, 3));
            var id = await app.Jobs.EnqueueAsync(new Work());
            await app.SeeAsync(id, j => j.EndedAt is not null || j.State == JobState.Blocked, "it ran or may not");
        }
        while (gate.NextAt is null && left.Count < 9);

        Assert.Equal(algorithm == RateAlgorithm.LeakyBucket ? [1, 0] : [3, 2, 1, 0], left);
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.job where blocked_on = 'three:'"));
        Assert.InRange(gate.NextAt!.Value - DateTimeOffset.UnixEpoch, TimeSpan.FromSeconds(await app.ScalarAsync<double>("select extract(epoch from now())::float8")), TimeSpan.MaxValue);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Pause_of_a_gate_is_seen_and_can_be_ended_before_its_time()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "text", Slots = 1 });
        var by = JobId.New();
        await app.SqlAsync("insert into jobs.gate (id, rule, paused_until, paused_by) select 'tenant:' || v, 'tenant', now() + interval '1 day', $1 from unnest(array['a', 'b', 'c']) v", by.Value);
        await app.WorkerAsync(Runs.Done);
        var (a, b) = (await app.Jobs.EnqueueAsync(new Work(1, "a")), await app.Jobs.EnqueueAsync(new Work(1, "b")));
        await app.InStateAsync(a, JobState.Blocked);
        await app.InStateAsync(b, JobState.Blocked);
        Assert.Equal(3, Assert.Single(await app.Limits.ListAsync()).Paused);
        var gate = Assert.Single((await app.Limits.GetAsync("tenant", "a"))!.Gates);
        Assert.Equal((true, by), (gate.PausedUntil is not null, gate.PausedBy!.Value));

        Assert.Equal(1, await app.Limits.ResumeAsync("tenant", "a"));
        await app.EndedAsync(a);
        Assert.Equal(JobState.Blocked, (await app.GetAsync(b)).State);
        Assert.Equal(2, await app.Limits.ResumeAsync("tenant"));
        await app.EndedAsync(b);
        Assert.Equal(0, await app.Limits.ResumeAsync("tenant"));
    }
}
