namespace Jobs.Tests.Faults;

/// <summary>
/// SIGKILL of workers whose jobs a limit counts: never more run than it allows, and no slot is lost. The truth is sampled by the handlers themselves (<see cref="Probe"/>), which lock rows that
/// there are only so many of.
/// </summary>
[Collection(ServersCollection.Name)]
public sealed class LimitUnderKills(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Slots = 7;

    [Fact]
    public async Task Seven_slots_are_never_eight_and_all_of_them_are_used_again_after_each_kill()
    {
        const int Kills = 6;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.MakeProbesAsync("all", Slots);
        await arena.Limits.SetAsync(new JobLimit("seven") { Type = "probe", Slots = Slots });
        arena.StartScheduler();
        var workers = Enumerable.Range(0, 4).Select(_ => arena.StartWorker()).ToList();
        // The first ones take long, so that a look at all slots finds them taken if they are in use.
        await arena.Load.EnqueueProbesAsync(5000 * Tally.Scale, n => new Probe(n, "all", Ms: n < 600 ? 200 : 15));
        var back = new List<double>();
        for (var kills = 0; kills < Kills * Tally.Scale; kills++)
        {
            var victim = workers[0];
            await arena.RunningAsync(victim, 1);
            var session = await arena.SessionOfAsync(victim);
            await arena.KillAsync(victim);
            var clock = System.Diagnostics.Stopwatch.StartNew();
            workers.RemoveAt(0);
            workers.Add(arena.StartWorker());
            await Eventually.HoldsAsync("all slots are used by the living", async () => await arena.CountAsync("jobs.job where state = 'running' and session <> $1", session) == Slots);
            back.Add(clock.Elapsed.TotalSeconds);
        }

        await TheTruth.AssertAsync(arena);
        await arena.AssertNoFaultAsync();
        back.Sort();
        Tally.Notes.Add($"a limit of {Slots} is full again after a SIGKILL: median {back[back.Count / 2]:F2} s, longest {back[^1]:F2} s ({back.Count} kills)");
    }

    [Fact]
    public async Task A_thousand_keys_with_two_slots_each_leak_nothing_in_a_hundred_kills()
    {
        const int Kills = 100;
        const int Keys = 1000;
        const int Hot = 10;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.MakeProbesAsync(Enumerable.Range(0, Keys).Select(n => $"key{n}"), 2);
        await arena.Limits.SetAsync(new JobLimit("key") { Type = "probe", Key = "key", Slots = 2 });
        await arena.Limits.SetAsync(new JobLimit("all") { Queue = "default", Slots = 40 });
        arena.StartScheduler();
        var workers = Enumerable.Range(0, 4).Select(_ => arena.StartWorker(concurrency: 20)).ToList();
        var blocked = 0L;
        for (var kills = 0; kills < Kills; kills++)
        {
            // A third of the jobs want a few keys, and longer: those are always at their limit.
            await arena.Load.EnqueueProbesAsync(100, n => n % 3 == 0 ? new Probe(n, $"key{arena.Random.Next(Hot)}", Ms: 100) : new Probe(n, $"key{arena.Random.Next(Keys)}", Ms: (int)(n % 20)));
            await Task.Delay(arena.Random.Next(400));
            blocked += await arena.CountAsync("jobs.job where blocked_on like 'key:%'");
            var victim = arena.Random.Next(workers.Count);
            await Eventually.HoldsAsync("the victim is there, and runs nothing that would be taken for poison if it died once more",
                async () => await arena.SessionOfAsync(workers[victim]) is var session && session != default && await arena.CountAsync("jobs.job where state = 'running' and session = $1 and crashes > 1", session) == 0);
            await arena.KillAsync(workers[victim]);
            workers[victim] = arena.StartWorker(concurrency: 20);
        }

        await TheTruth.AssertAsync(arena);
        Assert.True(blocked > 0, "no key was ever at its limit");
        await arena.AssertNoFaultAsync();
    }
}
