namespace Jobs.Tests.Faults;

/// <summary>A job that kills its worker each time.</summary>
[Collection(ServersCollection.Name)]
public sealed class PoisonJob(ServersFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task That_killed_three_workers_has_failed_and_the_jobs_beside_it_have_not()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();

        // Those beside it are not done when it strikes: they die with it each time that they start with it.
        await arena.Load.EnqueueAsync(4, n => new Work(n, Ms: 500));
        var poison = await arena.Load.EnqueuePoisonAsync();
        await arena.Load.EnqueueAsync(200, n => new Work(n, Ms: 20));
        var deaths = 0;
        for (var ended = false; !ended;)
        {
            var worker = arena.StartWorker(concurrency: 10);
            await Eventually.HoldsAsync("the job has ended or killed again",
                async () => (ended = await arena.CountAsync("jobs.history where id = $1", poison.Value) == 1) || worker.HasExited);
            if (!ended)
            {
                await arena.DieAsync(worker);
                deaths++;
            }
        }

        await TheTruth.AssertAsync(arena, taken: 0, poison);
        var job = await arena.Jobs.GetAsync(poison);
        Assert.NotNull(job);
        arena.Say($"it killed {deaths} workers; its error: {job.Errors[^1].Message}");
        Assert.InRange(deaths, 3, 5); // a fourth time where its innocent neighbours were under suspicion too
        Assert.Equal((JobState.Failed, deaths, deaths, 0), (job.State, job.Attempt, job.Crashes, job.Failures));
        Assert.Equal("Jobs.Poison", job.Errors[^1].Type);
    }
}
