namespace Jobs.Tests.Faults;

/// <summary>A pause is a row: it holds whoever dies.</summary>
[Collection(ServersCollection.Name)]
public sealed class PausedQueue(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Waiting = 200;

    [Fact]
    public async Task Paused_queue_stays_paused_when_workers_and_schedulers_are_killed_and_loses_nothing()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await RunAsync(arena, arena.StartScheduler(), () => Task.CompletedTask);
    }

    [KillsServersFact]
    public async Task Paused_queue_stays_paused_when_Postgres_and_RabbitMQ_are_killed_and_loses_nothing()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await RunAsync(arena, arena.StartScheduler(), async () =>
        {
            await arena.Servers.KillAsync(Server.Postgres);
            await arena.StartAsync(Server.Postgres);
            await arena.Servers.KillAsync(Server.RabbitMq);
            await arena.StartAsync(Server.RabbitMq);
        });
    }

    private static async Task RunAsync(Arena arena, Child scheduler, Func<Task> more)
    {
        var worker = arena.StartWorker(concurrency: 5);
        await arena.Load.EnqueueAsync(20);
        await Eventually.HoldsAsync("jobs run", async () => await arena.CountAsync("jobs.history") == 20);
        await arena.Operator.PauseQueueAsync("default", act: new() { By = "fault test" });
        var paused = await arena.AskAsync<DateTime>("select clock_timestamp()");
        await arena.Load.EnqueueAsync(Waiting);
        await Eventually.HoldsAsync("the worker obeys", () => worker.Logged(1440));

        await arena.KillAsync(worker, scheduler);
        await more();
        arena.StartScheduler();
        var next = arena.StartWorker(concurrency: 5);
        await Eventually.HoldsAsync("the next worker obeys too", () => next.Logged(1440));
        Assert.Equal(Waiting, await arena.CountAsync("jobs.job where state = 'queued' and attempt = 0"));
        Assert.Equal(0, await arena.CountAsync("jobs.history where started_at > $1", paused));

        await arena.Operator.ResumeQueueAsync("default");
        await TheTruth.AssertAsync(arena);
    }
}
