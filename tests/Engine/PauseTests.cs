namespace Jobs.Tests.Engine;

/// <summary>Queues that operators pause.</summary>
public sealed class PauseTests
{
    /// <summary>So long between two heartbeats that a test would not wait for one: 85 s.</summary>
    private static readonly Action<JobsOptions> SlowHeart = o => o.SessionTtl = TimeSpan.FromMinutes(10);

    private readonly Guid _session = Guid.NewGuid();

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(true)]
    [InlineData(false)] // behind a transaction pooler there are no signals
    public async Task Paused_queue_starts_nothing_until_it_is_resumed_and_the_others_go_on(bool signals)
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, more: w => w.Queue("default", 2).Queue("mail", 2), options: o => (o.AdvisoryLocks, o.SessionTtl) = (signals, TimeSpan.FromMinutes(10)));
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(), new() { Queue = "mail" }));

        await app.Operator.PauseQueueAsync("mail", act: new() { By = "ann", Reason = "the printer burns" });
        await app.LoggedAsync(1440);
        var waiting = await app.Jobs.EnqueueAsync(new Work(), new() { Queue = "mail" });
        await app.WaitForTicketsAsync("mail", 1); // ready: where people look for it
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()))).State);
        var (state, info) = ((await app.GetAsync(waiting)).State, await QueueAsync(app, "mail"));
        Assert.Equal((JobState.Queued, "ann", "the printer burns", null), (state, info.Paused?.By, info.Paused?.Reason, info.Paused?.Until));
        Assert.Null((await QueueAsync(app, "default")).Paused);

        Assert.True(await app.Operator.ResumeQueueAsync("mail"));
        Assert.Equal((JobState.Succeeded, 1), ((await app.EndedAsync(waiting)).State, (await app.GetAsync(waiting)).Attempt));
        Assert.Null((await QueueAsync(app, "mail")).Paused);
        Assert.False(await app.Operator.ResumeQueueAsync("mail"));
        Assert.False(await app.Operator.ResumeQueueAsync("never.heard.of"));
    }

    [Fact]
    public async Task Running_jobs_finish_and_the_tickets_in_the_buffer_go_back_to_the_broker()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync, concurrency: 1, options: SlowHeart);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 5).Select(n => new Work(n)));
        var running = (await gate.Begun).Id;
        await app.Operator.PauseQueueAsync("default");
        await app.WaitForTicketsAsync("default", 4);
        gate.Open();
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(running)).State);
        Assert.Equal(4, await app.ScalarAsync<long>("select count(*) from jobs.job where state = 'queued' and attempt = 0"));

        await app.Operator.ResumeQueueAsync("default"); // and no scheduler is there to mend anything
        await app.AllEndedAsync(5);
        Assert.Equal(5, app.Runs.Count);
    }

    [Fact]
    public async Task Claim_that_a_pause_refused_loses_no_ticket()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, options: SlowHeart);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        await app.SqlAsync("insert into jobs.queue (name, paused_at) values ('default', now())"); // and the worker is not told
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.LoggedAsync(1440);
        await app.WaitForTicketsAsync("default", 1);
        Assert.Equal((JobState.Queued, 0), ((await app.GetAsync(id)).State, (await app.GetAsync(id)).Attempt));
        await app.Operator.ResumeQueueAsync("default");
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(id)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Pause_outlives_the_worker_and_the_next_one_does_not_even_begin_to_consume()
    {
        await using var app = await TestApp.CreateAsync();
        await app.StopAsync(await app.WorkerAsync(Runs.Done));
        await app.Operator.PauseQueueAsync("default");
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.WaitForTicketsAsync("default", 1);
        await Eventually.SeeAsync(ConsumersAsync, n => n == 0, "the broker knows that the first one has stopped"); // which it may hear of late
        await app.WorkerAsync(Runs.Done);
        await app.LoggedAsync(1440);
        Assert.Equal(0u, await ConsumersAsync()); // before the next line: a quorum queue counts whoever has got a message and not settled it
        var message = await app.OnBrokerAsync(c => c.BasicGetAsync(app.QueueName("default"), autoAck: false));
        Assert.False(message!.Redelivered);
        Assert.Equal(JobState.Queued, (await app.GetAsync(id)).State);
        await app.Operator.ResumeQueueAsync("default");
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(id)).State);

        Task<uint> ConsumersAsync() => app.OnBrokerAsync(c => c.ConsumerCountAsync(app.QueueName("default")));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Pause_ends_by_itself_at_its_time()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, options: SlowHeart);
        var until = TimeProvider.System.GetUtcNow().AddSeconds(2);
        await app.Operator.PauseQueueAsync("default", until);
        var id = await app.Jobs.EnqueueAsync(new Work());
        Assert.Equal(until, (await QueueAsync(app, "default")).Paused!.Until!.Value, TimeSpan.FromMilliseconds(1));
        var ended = await app.EndedAsync(id);
        Assert.InRange(ended.StartedAt!.Value, until.AddMilliseconds(-1), DateTimeOffset.MaxValue); // Postgres keeps microseconds
        Assert.Null((await QueueAsync(app, "default")).Paused);
        Assert.False(await app.Operator.ResumeQueueAsync("default"));
    }

    [Fact]
    public async Task Claim_of_a_paused_queue_takes_nothing_and_leaves_the_row_as_it_is()
    {
        await using var app = await TestApp.CreateAsync();
        var (paused, other) = (await app.Jobs.EnqueueAsync(new Work()), await app.Jobs.EnqueueAsync(new Work(), new() { Queue = "other" }));
        await app.Operator.PauseQueueAsync("default", act: new() { By = "ann" });
        await app.Operator.PauseQueueAsync("default", TimeProvider.System.GetUtcNow().AddHours(1), new() { By = "bob" }); // the newest order counts
        Assert.Equal("bob", (await QueueAsync(app, "default")).Paused?.By);
        var before = await app.RowAsync(paused);
        Assert.Empty(await app.ClaimAsync(_session, paused));
        Assert.Equal(before, await app.RowAsync(paused));
        Assert.True(await app.Queues.StillClaimableAsync([paused.Value], [1], "default", ["test.work"], default));
        Assert.False(await app.Queues.StillClaimableAsync([paused.Value], [2], "default", ["test.work"], default));
        Assert.Single(await app.ClaimAsync(_session, other, queue: "other"));
        Assert.Equal(["other"], (await app.Operator.QueuesAsync()).Where(q => q.Paused is null).Select(q => q.Name));

        await app.SqlAsync("update jobs.queue set paused_until = now()"); // its time is over
        Assert.Single(await app.ClaimAsync(_session, paused));
    }

    [Fact]
    public async Task Reconciler_leaves_a_paused_queue_alone()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueAsync(new Work());
        Assert.Equal("default", Assert.Single(await app.Repair.OldestTicketsAsync(default)).Queue);
        await app.Operator.PauseQueueAsync("default");
        Assert.Empty(await app.Repair.OldestTicketsAsync(default));
        await app.Operator.ResumeQueueAsync("default");
        Assert.Single(await app.Repair.OldestTicketsAsync(default));
    }

    [Fact]
    public async Task Values_that_make_no_sense_are_refused_with_the_remedy()
    {
        await using var app = await TestApp.CreateAsync();
        var past = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => app.Operator.PauseQueueAsync("default", TimeProvider.System.GetUtcNow().AddSeconds(-1)));
        Assert.Contains("name a later time", past.Message, StringComparison.Ordinal);
        var reason = await Assert.ThrowsAsync<ArgumentException>(() => app.Operator.PauseQueueAsync("default", act: new() { Reason = new string('x', 201) }));
        Assert.Contains("The reason has 201 characters; at most 200", reason.Message, StringComparison.Ordinal);
        Assert.Empty(await app.Operator.QueuesAsync());
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task No_claim_begins_after_the_pause_has_returned()
    {
        const int Rounds = 1000;
        const int Claimers = 3;
        await using var app = await TestApp.CreateAsync();
        var before = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var ids = Enumerable.Range(0, 2 * Claimers).Select(_ => JobId.New()).ToArray();
            await app.Jobs.EnqueueManyAsync(ids.Select((_, i) => new Work(i)), w => new() { Id = ids[w.Number] });
            var claims = Enumerable.Range(0, Claimers).Select(n => Task.Run(async () =>
            {
                await app.ClaimAsync(_session, ids[2 * n]);
                await app.ClaimAsync(_session, ids[(2 * n) + 1]);
            })).ToList();
            await app.Operator.PauseQueueAsync("default");
            var paused = await app.ScalarAsync<DateTime>("select clock_timestamp()");
            await Task.WhenAll(claims);
            foreach (var id in ids)
            {
                Assert.Empty(await app.ClaimAsync(_session, id)); // started before, or not startable now
            }

            // A claim is stamped with the time it began at: what the pause did not stop had begun before it returned.
            Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.job where started_at > $1", paused));
            before += (int)await app.ScalarAsync<long>("select count(*) from jobs.job where state = 'running'");
            await app.Operator.ResumeQueueAsync("default");
            await app.SqlAsync("delete from jobs.job");
        }

        Assert.InRange(before, 1, (2 * Claimers * Rounds) - 1); // the pause came in between
    }

    private static async Task<QueueInfo> QueueAsync(TestApp app, string name) => (await app.Operator.QueuesAsync()).Single(q => q.Name == name);
}
