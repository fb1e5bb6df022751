namespace Jobs.Tests.Faults;

/// <summary>SIGKILL exactly at each numbered crash point of docs/FAILURES.md, at several of its passes.</summary>
[Collection(ServersCollection.Name)]
public sealed class CrashPoints(ServersFixture fixture, ITestOutputHelper output)
{
    [Theory]
    [InlineData("E1", 1, 5, 20)]   // before the insert: a statement each
    [InlineData("E2", 1, 5, 20)]   // after its commit
    [InlineData("E3", 1, 20, 150)] // before a ticket is published
    public async Task A_producer_killed_there_loses_no_acknowledged_job(string point, params int[] passes)
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        arena.StartWorker();
        const int Numbers = 100_000; // for each producer
        var producers = passes.Select((pass, i) => arena.StartProducer($"p{i}", (i + 1) * Numbers, i * Numbers, $"{point}:{pass}", "--OnlySingle=1")).ToList();
        await arena.DieAsync(producers);
        var replacements = passes.Select((_, i) => arena.StartProducer($"p{i}", (i * Numbers) + 500, i * Numbers)).ToList();
        foreach (var replacement in replacements)
        {
            Assert.Equal(0, await replacement.ExitAsync());
        }

        await TheTruth.AssertAsync(arena);
    }

    [Theory]
    [InlineData("X1", 1, 10, 50)] // a ticket has arrived: one each
    [InlineData("X2", 1, 5, 15)]  // before a batch is claimed
    [InlineData("X3", 1, 5, 15)]  // it is claimed
    [InlineData("X4", 1, 5, 15)]  // its tickets are acknowledged
    [InlineData("X5", 1, 10, 50)] // before a handler starts: one each
    [InlineData("X6", 1, 5, 15)]  // before ends are written
    [InlineData("X7", 1, 5, 15)]  // they are written
    public async Task A_worker_killed_there_loses_no_job(string point, params int[] passes)
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        var workers = passes.Select(pass => arena.StartWorker(concurrency: 5, $"{point}:{pass}")).ToList();
        await using (arena.Load.Start(perSecond: 200))
        {
            await arena.DieAsync(workers);
            arena.StartWorker();
        }

        await TheTruth.AssertAsync(arena);
    }
}
