using System.Diagnostics;

namespace Jobs.Tests.Faults;

/// <summary>How long the jobs of a worker that was killed wait until they may run again.</summary>
[Collection(ServersCollection.Name)]
public sealed class RescueTime(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Victims = 20;
    private const int Slots = 3;
    private static readonly TimeSpan Spread = TimeSpan.FromSeconds(6);

    [Fact]
    public async Task Jobs_of_killed_workers_are_queued_again_soon()
    {
        for (var round = 0; round < Tally.Scale; round++)
        {
            await RoundAsync();
        }
    }

    private async Task RoundAsync()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        arena.StartScheduler();

        // For 15 s after its start, Postgres proves nothing about who holds a lock, and only heartbeats count.
        await Eventually.HoldsAsync("Postgres has run for a while", () => arena.AskAsync<bool>("select now() - pg_postmaster_start_time() > interval '16 s'"));

        // Each victim has a queue and jobs of its own and holds them until it is killed, so that each rescue is seen for itself.
        var victims = Enumerable.Range(0, Victims).Select(i => (Queue: $"v{i}", Worker: arena.StartWorker(Slots, more: [$"--Queues=v{i}", "--Hang=1"]))).ToList();
        await Task.WhenAll(victims.Select(v => arena.Load.EnqueueAsync(Slots, options: new EnqueueOptions { Queue = v.Queue })));
        await Eventually.HoldsAsync("all victims run all their jobs", async () => await arena.CountAsync("jobs.job where state = 'running'") == Victims * Slots);

        var times = await Task.WhenAll(victims.Select(async v =>
        {
            await Task.Delay(arena.Random.NextDouble() * Spread);
            var clock = Stopwatch.StartNew();
            v.Worker.Kill();
            await Eventually.HoldsAsync("its jobs are queued again",
                async () => await arena.CountAsync("jobs.job where queue = $1 and state = 'queued' and dispatch = 2", v.Queue) == Slots);
            return clock.Elapsed.TotalSeconds;
        }));
        Tally.RescueSeconds.AddRange(times);
        arena.Say(string.Join(' ', times.Order().Select(t => $"{t:F2}")));
        arena.Say(Tally.Rescue);

        arena.StartWorker(Slots, more: "--Queues=" + string.Join(',', victims.Select(v => v.Queue)));
        await TheTruth.AssertAsync(arena);
    }
}
