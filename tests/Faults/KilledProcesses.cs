namespace Jobs.Tests.Faults;

/// <summary>SIGKILL at random moments, under load.</summary>
[Collection(ServersCollection.Name)]
public sealed class KilledProcesses(ServersFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task Workers_killed_at_random_moments_lose_nothing()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        var workers = Enumerable.Range(0, 4).Select(_ => arena.StartWorker()).ToList();
        await using (arena.Load.Start(perSecond: 400, n => new Work(n, Ms: (int)(n % 5))))
        {
            for (var kills = 0; kills < 10 * Tally.Scale;)
            {
                // The one that has worked longest, and now and then two at once.
                var victims = workers[..(kills % 3 == 2 ? 2 : 1)];
                await Eventually.HoldsAsync("the victims work", () => victims.TrueForAll(v => v.Started > 0));
                await Task.Delay(arena.Random.Next(300));
                await arena.KillAsync(victims);
                workers.RemoveRange(0, victims.Count);
                workers.AddRange(victims.Select(_ => arena.StartWorker()));
                kills += victims.Count;
            }
        }

        await TheTruth.AssertAsync(arena);
    }

    [Fact]
    public async Task Leading_schedulers_killed_one_after_the_other_delay_nothing_for_ever()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        var schedulers = new List<Child> { arena.StartScheduler(), arena.StartScheduler() };
        arena.StartWorker();
        await using (arena.Load.Start(perSecond: 100, options: new EnqueueOptions { Delay = TimeSpan.FromSeconds(1) }))
        {
            for (var kills = 0; kills < 3 * Tally.Scale; kills++)
            {
                Child? leader = null;
                await Eventually.HoldsAsync("a living scheduler leads", async () =>
                {
                    var id = await arena.AskAsync<int>("select s.process_id from jobs.leader l join jobs.session s on s.id = l.session where l.until > now()");
                    return (leader = schedulers.Find(s => s.Id == id)) is not null;
                });
                var ended = await arena.CountAsync("jobs.history");
                await Eventually.HoldsAsync("delayed jobs run under this leader", async () => await arena.CountAsync("jobs.history") > ended);
                await Task.Delay(arena.Random.Next(300));
                await arena.KillAsync(leader!);
                schedulers.Remove(leader!);
                schedulers.Add(arena.StartScheduler());
            }
        }

        await TheTruth.AssertAsync(arena);
    }

    [Fact]
    public async Task A_producer_killed_in_the_middle_goes_on_as_a_new_process_and_makes_no_job_twice()
    {
        const int PerLife = 400;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        arena.StartWorker();
        var lives = 5 * Tally.Scale;
        for (var life = 1; life < lives; life++)
        {
            var before = arena.Ledger.CountOf("p");
            var producer = arena.StartProducer("p", lives * PerLife);
            await Eventually.HoldsAsync("it has enqueued some", () => arena.Ledger.CountOf("p") > before);
            await Task.Delay(arena.Random.Next(100));
            Assert.False(producer.HasExited, "The producer was done before it could be killed.");
            await arena.KillAsync(producer);
        }

        Assert.Equal(0, await arena.StartProducer("p", lives * PerLife).ExitAsync());
        await TheTruth.AssertAsync(arena);
    }
}
