namespace Jobs.Tests.Engine;

/// <summary>Waiting jobs that gain priority.</summary>
public sealed class AgeingTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Waiting_job_gains_levels_and_then_runs_before_what_was_more_urgent()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetAgeingAsync("default", TimeSpan.FromSeconds(1));
        await app.SchedulerAsync();
        var (starved, elsewhere) = (await app.Jobs.EnqueueAsync(new Work(1), new() { Priority = 10 }), await app.Jobs.EnqueueAsync(new Work(2), new() { Queue = "other", Priority = 10 }));
        var aged = await app.SeeAsync(starved, j => j.Priority >= 12, "two levels more");
        Assert.Equal((JobState.Queued, 10), (aged.State, (await app.GetAsync(elsewhere)).Priority));
        var aging = Assert.Single(aged.Events);
        Assert.Equal(("aged", "10", aged.Priority.ToString()), (aging.What, aging.From, aging.To));

        await app.Operator.PauseQueueAsync("default"); // ages no more
        var urgent = await app.Jobs.EnqueueAsync(new Work(3), new() { Priority = 11 });
        var levels = (await app.GetAsync(starved)).Priority - 10;
        await Eventually.SeeAsync(() => app.DepthAsync("default"), n => n >= levels + 2, "two tickets, and a stale one for each level");
        await app.Operator.SetAgeingAsync("default", null);
        await app.Operator.ResumeQueueAsync("default");
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.EndedAsync(urgent);
        Assert.Equal([starved, urgent], app.Runs.Select(r => r.Context.Id));
        await app.WaitForTicketsAsync("default", 0);
        Assert.Equal(2, app.Runs.Count);
    }

    [Fact]
    public async Task Only_queued_jobs_that_have_waited_long_enough_gain_a_level_and_none_beyond_the_highest()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetAgeingAsync("default", TimeSpan.FromMinutes(1));
        var old = await app.Jobs.EnqueueAsync(new Work(), new() { Priority = 30 });
        var highest = await app.Jobs.EnqueueAsync(new Work(), new() { Priority = 31 });
        var young = await app.Jobs.EnqueueAsync(new Work(), new() { Priority = 5 });
        var running = await app.Jobs.EnqueueAsync(new Work(), new() { Priority = 5 });
        var late = await app.Jobs.EnqueueAsync(new Work(), new() { Priority = 5, Delay = TimeSpan.FromHours(1) });
        await app.ClaimAsync(Guid.NewGuid(), running);
        await app.SqlAsync("update jobs.job set ticket_at = ticket_at - interval '61 seconds' where id <> $1", young.Value);
        var untouched = new[] { highest, young, running, late };
        var before = await Task.WhenAll(untouched.Select(app.RowAsync));

        var (queue, to) = Assert.Single(await app.Queues.AgeingQueuesAsync(default));
        var ticket = Assert.Single(await app.Queues.AgeIfQueuedAsync(queue, 0, to, 10, default));
        Assert.Equal((old, 2, (byte)31), (ticket.Id, ticket.Dispatch, ticket.Priority));
        Assert.Equal(before, await Task.WhenAll(untouched.Select(app.RowAsync)));
        Assert.Empty(await app.Queues.AgeIfQueuedAsync(queue, 0, to, 10, default));

        await app.Operator.PauseQueueAsync("default");
        Assert.Empty(await app.Queues.AgeingQueuesAsync(default)); // nobody is served before others there
        await app.Operator.ResumeQueueAsync("default");
        Assert.Equal(TimeSpan.FromMinutes(1), Assert.Single(await app.Operator.QueuesAsync()).Ageing);
        await app.Operator.SetAgeingAsync("default", null);
        Assert.Empty(await app.Queues.AgeingQueuesAsync(default));
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(1.5)]
    [InlineData(-1)]
    [InlineData(604_801)]
    public async Task Steps_that_make_no_sense_are_refused(double seconds)
    {
        await using var app = await TestApp.CreateAsync();
        var error = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => app.Operator.SetAgeingAsync("default", TimeSpan.FromSeconds(seconds)));
        Assert.Contains("use whole seconds, from 1 s to 7 days", error.Message, StringComparison.Ordinal);
    }
}
