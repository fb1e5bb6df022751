namespace Jobs.Tests.Faults;

/// <summary>Postgres is stopped as by a power cut, and started again.</summary>
[Collection(ServersCollection.Name)]
public sealed class DatabaseFaults(ServersFixture fixture, ITestOutputHelper output)
{
    [KillsServersFact]
    public async Task Postgres_killed_under_load_loses_no_outcome_and_makes_nothing_run_twice()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        var workers = new[] { arena.StartWorker(concurrency: 40), arena.StartWorker(concurrency: 40) };
        await using (arena.Load.Start(perSecond: 300, n => new Work(n, Ms: (int)(n % 200)))) // so long that some 30 are running at any moment
        {
            for (var round = 0; round < 3 * Tally.Scale; round++)
            {
                var ended = await arena.CountAsync("jobs.history");
                await Eventually.HoldsAsync("jobs run", async () => await arena.CountAsync("jobs.history") > ended + 300);
                await arena.Servers.KillAsync(Server.Postgres);
                await Eventually.HoldsAsync("a worker keeps outcomes or repeats a claim", () => workers.Any(w => w.Logged(1430) || w.Logged(1411)));
                if (round == 0)
                {
                    await Eventually.HoldsAsync("enqueues have ended without an answer", () => arena.Load.Unknown > 0);
                }

                await arena.StartAsync(Server.Postgres);
            }
        }

        await TheTruth.AssertAsync(arena); // no process died: nothing may have run twice
    }

    [KillsServersFact]
    public async Task Processes_that_start_without_Postgres_come_up_by_themselves()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.Load.EnqueueAsync(100);
        await arena.Servers.KillAsync(Server.Postgres);
        var children = new[] { arena.StartWorker(), arena.StartScheduler(), arena.StartProducer("p", 100) };
        await Eventually.HoldsAsync("all say that Postgres is away", () => children.All(c => c.Logged(1000)));
        Assert.DoesNotContain(children, c => c.HasExited);
        await arena.StartAsync(Server.Postgres);
        Assert.Equal(0, await children[2].ExitAsync());
        await TheTruth.AssertAsync(arena);
    }
}
