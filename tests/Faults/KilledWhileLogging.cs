namespace Jobs.Tests.Faults;

/// <summary>What a handler had logged when its process was killed.</summary>
[Collection(ServersCollection.Name)]
public sealed class KilledWhileLogging(ServersFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task Lines_that_were_written_down_stay_and_those_of_the_next_attempt_follow_them()
    {
        for (var round = 0; round < 3 * Tally.Scale; round++)
        {
            await using var arena = await Arena.OpenAsync(fixture.Servers, output);
            arena.StartScheduler();
            var victim = arena.StartWorker();
            var n = arena.Ledger.Next();
            arena.Ledger.Intend(n);
            var id = await arena.Jobs.EnqueueAsync(new Chatty(n));
            arena.Ledger.Acknowledge(n, id);
            List<string> before = [];
            await Eventually.HoldsAsync("some of its lines are written down", async () => (before = await ReadAsync(arena, id, toTheEnd: false)).Count >= 20);
            await Task.Delay(arena.Random.Next(400)); // anywhere between two writings
            await arena.KillAsync(victim);
            arena.StartWorker();
            await TheTruth.AssertAsync(arena);

            var job = (await arena.Jobs.GetAsync(id))!;
            Assert.Equal((JobState.Succeeded, 2, 1), (job.State, job.Attempt, job.Crashes));
            var lines = await ReadAsync(arena, id, toTheEnd: true);
            Assert.Equal(before, lines[..before.Count]);
            var first = lines.Count - Chatty.Lines;
            Assert.Equal([.. Numbered(1, first), .. Numbered(2, Chatty.Lines)], lines); // none is missing in between, and none is there twice
            var said = LineFile.Read(victim.Log).Count(l => l.Contains(" of attempt 1", StringComparison.Ordinal));
            Assert.InRange(first, before.Count, said);
            arena.Say($"{first} of {said} lines were written down");
        }
    }

    private static async Task<List<string>> ReadAsync(Arena arena, JobId id, bool toTheEnd)
    {
        var lines = new List<string>();
        await foreach (var line in arena.Jobs.LogsAsync(id, new() { Follow = toTheEnd }))
        {
            lines.Add($"{line.Attempt}.{line.Number} {line.Text}");
        }

        return lines;
    }

    private static IEnumerable<string> Numbered(int attempt, int count) => Enumerable.Range(1, count).Select(n => $"{attempt}.{n} line {n} of attempt {attempt}");
}
