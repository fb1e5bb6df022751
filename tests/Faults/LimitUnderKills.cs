namespace Jobs.Tests.Faults;

/// <summary>SIGKILL of workers whose jobs a limit counts: never more run than it allows, and no slot is lost.</summary>
[Collection(ServersCollection.Name)]
public sealed class LimitUnderKills(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Slots = 7;

    [Fact]
    public async Task Never_more_than_the_limit_run_and_every_slot_of_a_killed_worker_comes_back()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.Limits.SetAsync(new JobLimit("seven") { Queue = "default", Slots = Slots });
        arena.StartScheduler();
        var workers = Enumerable.Range(0, 4).Select(_ => arena.StartWorker()).ToList();
        await arena.Load.EnqueueAsync(1500, n => new Work(n, Ms: 5));
        using var done = new CancellationTokenSource();
        var most = 0L;
        var watch = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                most = Math.Max(most, await arena.CountAsync("jobs.job where state = 'running'"));
            }
        });

        for (var kills = 0; kills < 4 * Tally.Scale; kills++)
        {
            var ended = await arena.CountAsync("jobs.history");
            await Eventually.HoldsAsync("the victim works", () => workers[0].Started > 0);
            await arena.KillAsync(workers[0]);
            workers.RemoveAt(0);
            workers.Add(arena.StartWorker());
            await Eventually.HoldsAsync("the others go on", async () => await arena.CountAsync("jobs.history") > ended || await arena.CountAsync("jobs.job") == 0);
        }

        await TheTruth.AssertAsync(arena);
        await done.CancelAsync();
        await watch;
        Assert.InRange(most, 1, Slots);
        Assert.Equal(0, await arena.AskAsync<long>("select sum(jobs.held(g)) from jobs.gate g"));
        arena.Say($"at most {most} of {Slots} ran; {arena.InFlight} were in flight at the kills");
    }
}
