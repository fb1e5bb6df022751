using Jobs.Transactions;

namespace Jobs.Tests.Faults;

/// <summary>
/// SIGKILL at each crash point of transactions, before and after everything that is written: of the beginning, the coordinator, the participants, and the prepared transactions of Postgres. Two-phase
/// transactions and sagas run meanwhile, a quarter of them to be aborted.
/// </summary>
[Collection(ServersCollection.Name)]
public sealed class TransactionCrashPoints(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Alive = 3;

    /// <summary>Each at several of its passes, so that it is met in the first process and the last, in prepare, commit and abort.</summary>
    private static readonly string[] Points = ["T2", "T7", "T3", "T4", "T5", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8"];

    private static readonly int[] Passes = Tally.Scale > 1 ? [1, 2, 3, 5, 8, 13, 21, 34, 55, 89] : [1, 6];

    [Fact]
    public async Task A_service_killed_there_leaves_no_outcome_mixed_and_nothing_in_doubt()
    {
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output);
        clearing.StartService(more: "--Concurrency=3"); // heals what the others leave, and leaves most to them
        var left = new Queue<string>(from pass in Passes from point in Points select $"{point}:{pass}");
        await using (clearing.Start(callers: 16))
        {
            var victims = new List<Child>();
            while (left.Count > 0 || victims.Count > 0)
            {
                while (victims.Count < Alive && left.TryDequeue(out var point))
                {
                    victims.Add(clearing.StartService(crashAt: point));
                }

                await Eventually.HoldsAsync($"one of {string.Join(", ", victims.Select(v => v.CrashAt))} is killed", () => victims.Exists(v => v.HasExited));
                foreach (var dead in victims.Where(v => v.HasExited).ToList())
                {
                    await clearing.Arena.DieAsync(dead);
                    victims.Remove(dead);
                }
            }
        }

        await clearing.AssertAsync();
    }

    [Fact]
    public async Task A_process_killed_while_it_begins_transactions_leaves_them_whole_or_not_there()
    {
        const int Numbers = 1000; // for each of them
        await using var clearing = await Clearing.OpenAsync(fixture.Servers, output);
        clearing.StartService();
        var beginners = new[] { "T0:1", "T0:6", "T1:1", "T1:6", "T1:20" }.Select((point, i) => clearing.Arena.Start("beginner", point,
            [$"--Ledger={clearing.Arena.Ledger.FileOf($"beginner{i}")}", $"--First={i * Numbers}", $"--Last={(i + 1) * Numbers}"])).ToList();
        await clearing.Arena.DieAsync(beginners);
        foreach (var (beginner, i) in beginners.Select((b, i) => (b, i)))
        {
            var lines = LineFile.Read(clearing.Arena.Ledger.FileOf($"beginner{i}")).Select(l => l.Split(' ')).ToList();
            var last = lines[^1];
            Assert.Equal("?", last[0]); // what its last call has come to, nobody was told
            Assert.Equal(beginner.CrashAt![..2] == "T1", await clearing.Transactions.GetAsync(new TransactionId(Guid.Parse(last[2]))) is not null);
            foreach (var line in lines.Where(l => l[0] == "?"))
            {
                await clearing.BeginAsync(long.Parse(line[1]), new TransactionId(Guid.Parse(line[2]))); // changes nothing where it has begun
            }
        }

        await clearing.AssertAsync();
    }
}
