namespace Jobs.Tests.Faults;

/// <summary>SIGKILL of workers that serve a fair queue: no job is left behind, and two values that have work all the time get what their weights say.</summary>
[Collection(ServersCollection.Name)]
public sealed class FairUnderKills(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Workers = 4;
    private const int Weight = 3;

    /// <summary>
    /// How far shares may be from the weights. Claims that are made while another one moves the turn on serve values again (docs/FAIRNESS.md), so with several workers they are not exact: but nearer than to those
    /// of any other whole weight.
    /// </summary>
    private const double Tolerance = 1.2;

    [Fact]
    public async Task No_job_is_left_behind_and_values_that_always_have_work_get_what_their_weights_say()
    {
        const int Kills = 6;
        const int Rounds = 1000;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.MakeProbesAsync([], 0);
        await arena.Operator.SetFairnessAsync(new("default"), "key");
        await arena.Operator.SetFairWeightAsync(new("default"), "heavy", Weight);
        await arena.Load.EnqueueProbesAsync(Weight * Rounds * Tally.Scale, n => new Probe(n, "heavy", Ms: 20)); // all of them in front of the others
        await arena.Load.EnqueueProbesAsync(Rounds * Tally.Scale, n => new Probe(n, "light", Ms: 20));
        arena.StartScheduler();
        var workers = Enumerable.Range(0, Workers).Select(_ => StartWorker()).ToList();
        for (var kills = 0; kills < Kills * Tally.Scale; kills++)
        {
            var victim = workers[0];
            await Eventually.HoldsAsync("the victim works", () => victim.Started > 80);
            await arena.Load.EnqueueProbesAsync(60, n => new Probe(n, $"small{n % 20}", Ms: 20)); // values that come and go
            await arena.KillAsync(victim);
            workers.RemoveAt(0);
            workers.Add(StartWorker());
        }

        // The last look at which both have work. An attempt is a start, a re-run too: each of them takes a turn.
        var (heavy, light) = (0L, 0L);
        await Eventually.HoldsAsync("one of them has nothing left", async () =>
        {
            var seen = (await arena.AskAsync<long[]>("""
                select array[coalesce(sum(attempt) filter (where key = 'heavy'), 0), coalesce(sum(attempt) filter (where key = 'light'), 0),
                  least(count(*) filter (where key = 'heavy' and state = 'queued'), count(*) filter (where key = 'light' and state = 'queued'))]::bigint[]
                from (select args->>'key' as key, attempt, state from jobs.history union all select args->>'key', attempt, state from jobs.job) x
                """))!;
            (heavy, light) = seen[2] > 0 ? (seen[0], seen[1]) : (heavy, light);
            return seen[2] == 0;
        });
        await TheTruth.AssertAsync(arena);
        arena.Say($"{heavy} of weight {Weight} and {light} of weight 1 were started while both had work");
        Assert.True(light > Rounds * Tally.Scale / 2, $"both had work only until {light} of weight 1 were started");
        Assert.InRange((double)heavy / light, Weight / Tolerance, Weight * Tolerance);
        Tally.Notes.Add($"shares of {Weight} to 1 with {Workers} workers and {Kills * Tally.Scale} kills: {(double)heavy / light:F2}");

        Child StartWorker() => arena.StartWorker(more: "--Stamps=1");
    }
}
