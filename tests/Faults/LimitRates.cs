namespace Jobs.Tests.Faults;

/// <summary>
/// Rates with four workers, one of which is killed: over no window of any length more starts than was promised. How much of a rate is used is noted, and measured by <c>./run bench --limits</c>:
/// here three rates and their probes want more than two cores have.
/// </summary>
[Collection(ServersCollection.Name)]
public sealed class LimitRates(ServersFixture fixture, ITestOutputHelper output)
{
    private static readonly int Seconds = Tally.Scale > 1 ? 60 : 10;

    /// <summary>The clocks of the database and of a timer may drift apart by so much while it runs.</summary>
    private const double DriftSeconds = 0.0005;

    [Fact]
    public async Task No_window_has_more_starts_than_rate_times_window_plus_burst()
    {
        int[] rates = [10, 500, 5000];
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        await arena.MakeProbesAsync([], 0);
        foreach (var rate in rates)
        {
            await arena.Limits.SetAsync(new JobLimit($"r{rate}") { Queue = $"r{rate}", Rate = new(rate, TimeSpan.FromSeconds(1)) { Burst = rate / 2 } });
            await arena.Load.EnqueueProbesAsync((Seconds + 2) * rate, n => new Probe(n, $"r{rate}", Ms: 0), $"r{rate}");
        }

        arena.StartScheduler();
        var workers = Enumerable.Range(0, 4).Select(_ => arena.StartWorker(concurrency: 50, more: ["--Queues=r10,r500,r5000", "--Stamps=1"])).ToList();
        await Eventually.HoldsAsync("half of the time is over", async () => await arena.CountAsync("jobs.probe_start where key = 'r10'") >= rates[0] * Seconds / 2);
        await arena.KillAsync(workers[0]);
        await TheTruth.AssertAsync(arena);

        foreach (var rate in rates)
        {
            // What the platform says of the last attempt of each job, exactly; and no handler began before that.
            var permits = await ReadAsync(arena, $"select extract(epoch from started_at)::float8 from jobs.history where queue = 'r{rate}' order by 1");
            AssertConforms(permits, rate, rate / 2, "permits");
            var late = await ReadAsync(arena, $"select extract(epoch from p.at - h.started_at)::float8 from jobs.probe_start p join jobs.history h using (id) where h.queue = 'r{rate}' and h.attempt = 1 order by 1");
            Assert.True(late[0] > -DriftSeconds, $"a handler began {-late[0]} s before its permit");

            // What was stamped from outside, all attempts: a handler that begins late is nearer to the next one by as much.
            var starts = await ReadAsync(arena, $"select extract(epoch from at)::float8 from jobs.probe_start where key = 'r{rate}' order by 1");
            AssertConforms(starts, rate, (rate / 2) + (rate * late[^1]), "starts");
            var used = (starts.Count - (rate / 2)) / (rate * (starts[^1] - starts[0])); // there was work until the last one
            Tally.Notes.Add($"{rate} a second for {Seconds} s: {used:P1} used, handlers at most {late[^1] * 1000:F0} ms after their permit (median {late[late.Count / 2] * 1000:F1} ms)");
            arena.Say(Tally.Notes[^1]);
        }
    }

    /// <summary>The token bucket is that bound, for all windows at once.</summary>
    private static void AssertConforms(List<double> times, double rate, double burst, string what)
    {
        var level = 0.0;
        for (var n = 0; n < times.Count; n++)
        {
            level = Math.Max(0, level - (n == 0 ? 0 : (times[n] - times[n - 1]) * rate)) + 1;
            Assert.True(level <= burst + 0.01, $"{what} at {rate} a second: number {n} is {level - burst} above the bucket of {burst}");
        }
    }

    private static async Task<List<double>> ReadAsync(Arena arena, string sql)
    {
        await using var command = arena.Db.CreateCommand(sql.Replace("jobs.", arena.Schema + "."));
        await using var reader = await command.ExecuteReaderAsync();
        var found = new List<double>();
        while (await reader.ReadAsync())
        {
            found.Add(reader.GetDouble(0));
        }

        return found;
    }
}
