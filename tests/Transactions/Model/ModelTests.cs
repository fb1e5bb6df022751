using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

/// <summary>
/// The coordinator's state machine and its rules, in memory, against a small model of everything around it: jobs, workers that die or are taken for dead, participants, a broker that loses, doubles and reorders,
/// deadlines, operators, turns that crash before and after their commit. Each seed is one transaction in one random order of events, always the same one.
/// </summary>
public sealed class ModelTests
{
    private const int Runs = 100_000;
    private const int Events = 40;

    [Trait("Category", "Slow")]
    [Fact]
    public void No_order_of_events_leads_to_a_mixed_outcome_or_to_none()
    {
        var ended = new int[4];
        var (parked, turns) = (0, 0);
        Parallel.For(0, Runs, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, seed =>
        {
            var world = new World(seed, tell: false);
            try
            {
                Live(world);
            }
            catch (Exception e)
            {
                var again = new World(seed, tell: true);
                Record.Exception(() => Live(again));
                throw new InvalidOperationException($"Seed {seed}: {e.Message}{Environment.NewLine}{again.Story}", e);
            }

            Interlocked.Increment(ref ended[(world.Row.Mode == TransactionMode.Saga ? 2 : 0) + (world.Row.State == "Committed" ? 1 : 0)]);
            Interlocked.Add(ref parked, world.Parkings > 0 ? 1 : 0);
            Interlocked.Add(ref turns, world.Turns);
        });

        Assert.All(ended, n => Assert.InRange(n, Runs / 50, Runs)); // each end of each mode is met often
        Assert.InRange(parked, Runs / 100, Runs);
        Assert.InRange(turns, Runs * 5, int.MaxValue);
    }

    private static void Live(World world)
    {
        for (var n = 0; n < Events && !world.HasEnded; n++)
        {
            world.Happen();
        }

        world.Settle();
    }
}
