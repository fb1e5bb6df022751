namespace Jobs.Tests.Faults;

/// <summary>The broker dies, forgets, or is away.</summary>
[Collection(ServersCollection.Name)]
public sealed class BrokerFaults(ServersFixture fixture, ITestOutputHelper output)
{
    [KillsServersFact]
    public async Task A_broker_killed_under_load_stops_no_enqueue_and_its_backlog_runs_when_it_is_back()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        arena.StartWorker();
        arena.StartWorker();
        await using (arena.Load.Start(perSecond: 200, n => new Work(n, Ms: (int)(n % 5))))
        {
            for (var round = 0; round < Tally.Scale; round++)
            {
                var ended = await arena.CountAsync("jobs.history");
                await Eventually.HoldsAsync("jobs run", async () => await arena.CountAsync("jobs.history") > ended + 300);
                await arena.Servers.KillAsync(Server.RabbitMq);
                await Assert.ThrowsAnyAsync<Exception>(() => arena.Broker.DepthAsync());
                var enqueued = arena.Ledger.Count;
                await Eventually.HoldsAsync("enqueue works without the broker", () => arena.Ledger.Count > enqueued + 300);
                await arena.StartAsync(Server.RabbitMq);
            }
        }

        await TheTruth.AssertAsync(arena); // no process died: nothing may have run twice
    }

    /// <summary>RabbitMQ 4.3.6 loses a quorum queue that was declared less than about a second before its death, with all that it has confirmed.</summary>
    [KillsServersFact]
    public async Task Jobs_whose_queue_was_made_an_instant_before_the_brokers_death_run_all_the_same()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.Load.EnqueueAsync(200); // declares the queue
        await Eventually.HoldsAsync("their tickets are in the broker", async () => await arena.Broker.DepthAsync() == 200);
        await arena.Servers.KillAsync(Server.RabbitMq);
        await arena.StartAsync(Server.RabbitMq);
        var left = await arena.Broker.DepthAsync();
        arena.Say($"after its restart the broker has {(left is null ? "no queue" : $"{left} of 200 tickets")}");
        arena.StartScheduler();
        arena.StartWorker();
        await TheTruth.AssertAsync(arena);
    }

    [Fact]
    public async Task A_purged_queue_of_10000_jobs_runs()
    {
        const int Jobs = 10_000;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        await arena.Load.EnqueueManyAsync(Jobs * Tally.Scale);
        await Eventually.HoldsAsync("all tickets wait", async () => await arena.Broker.DepthAsync() >= Jobs * Tally.Scale);
        Assert.True(await arena.Broker.PurgeAsync() >= Jobs);
        Assert.Equal(0u, await arena.Broker.DepthAsync());
        arena.StartWorker(concurrency: 50);
        arena.StartWorker(concurrency: 50);
        await TheTruth.AssertAsync(arena);
    }

    [Fact]
    public async Task A_queue_of_10000_jobs_that_is_deleted_under_its_consumer_runs()
    {
        const int Jobs = 10_000;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        var slow = arena.StartWorker(concurrency: 5, more: "--SlowerMs=200");
        await arena.Load.EnqueueManyAsync(Jobs * Tally.Scale);
        await Eventually.HoldsAsync("all tickets wait", async () =>
            slow.Started > 0 && await arena.Broker.DepthAsync() + (slow.Started * 3) >= Jobs * Tally.Scale); // what it has taken is missing
        Assert.True(await arena.Broker.DeleteAsync("default") >= Jobs - 500);
        arena.StartWorker(concurrency: 50);
        arena.StartWorker(concurrency: 50);
        await TheTruth.AssertAsync(arena);
        Assert.NotNull(await arena.Broker.DepthAsync());
    }

    [KillsServersFact]
    public async Task Processes_that_start_without_a_broker_come_up_by_themselves()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.Servers.KillAsync(Server.RabbitMq);
        var worker = arena.StartWorker();
        var scheduler = arena.StartScheduler();
        await arena.Load.EnqueueAsync(100);
        await Eventually.HoldsAsync("both say that the broker is away", () => worker.Logged(1203) && scheduler.Logged(1203));
        await arena.Load.EnqueueAsync(100);
        Assert.Equal(0, await arena.CountAsync("jobs.history"));
        await arena.StartAsync(Server.RabbitMq);
        await TheTruth.AssertAsync(arena);
    }
}
