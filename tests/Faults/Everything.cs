namespace Jobs.Tests.Faults;

/// <summary>No single fault, but all of them, in any order.</summary>
[Collection(ServersCollection.Name)]
public sealed class Everything(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Last = 1_000_000; // more than a producer gets to

    [KillsServersFact]
    public async Task Killed_at_random_loses_nothing()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        List<Child> schedulers = [arena.StartScheduler(), arena.StartScheduler()];
        List<Child> workers = [arena.StartWorker(), arena.StartWorker(), arena.StartWorker()];
        List<Child> producers = [arena.StartProducer("p", Last, more: ["--PauseMs=10", "--Ms=20"])];
        await Eventually.HoldsAsync("jobs run", async () => await arena.CountAsync("jobs.history") > 100);

        // Each fault once or more, in an order of chance.
        var faults = new Func<Task>[]
        {
            () => ReplaceAsync(workers, StartWorker), () => ReplaceAsync(workers, StartWorker), () => ReplaceAsync(schedulers, arena.StartScheduler),
            () => ReplaceAsync(producers, StartProducer), () => RestartAsync(Server.RabbitMq), () => RestartAsync(Server.Postgres),
        };
        for (var round = 0; round < Tally.Scale; round++)
        {
            arena.Random.Shuffle(faults);
            foreach (var fault in faults)
            {
                await fault();
                await Task.Delay(arena.Random.Next(500));
            }
        }

        await arena.KillAsync(producers);
        producers[0] = arena.StartProducer("p", last: 0); // only what the dead have left unknown
        Assert.Equal(0, await producers[0].ExitAsync());
        await TheTruth.AssertAsync(arena);

        Child StartWorker() => arena.StartWorker();

        Child StartProducer() => arena.StartProducer("p", Last, more: ["--PauseMs=10", "--Ms=20"]);

        async Task ReplaceAsync(List<Child> children, Func<Child> start)
        {
            var victim = children[0];
            children.RemoveAt(0);
            victim.Kill();
            await victim.Exited;
            children.Add(start());
        }

        async Task RestartAsync(Server server)
        {
            await arena.Servers.KillAsync(server);
            await Task.Delay(arena.Random.Next(1000));
            await arena.StartAsync(server);
        }
    }
}
