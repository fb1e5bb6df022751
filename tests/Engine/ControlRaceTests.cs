using System.Collections.Concurrent;

namespace Jobs.Tests.Engine;

/// <summary>Each action against what would break it, 1,000 times. There is no scheduler to mend anything, but where a test runs a part of it itself.</summary>
public sealed class ControlRaceTests
{
    private const int Rounds = 1000;
    private const int AtOnce = 8;

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Job_that_is_cancelled_while_it_starts_has_run_or_never_runs()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: AtOnce);
        var answers = await EachAsync(app, null, async (id, n) =>
        {
            await BrieflyAsync(n);
            return Assert.Single((await app.Operator.CancelAsync(new() { Ids = [id] })).Jobs);
        });
        await app.AllEndedAsync(Rounds);
        var runs = app.Runs.CountBy(r => r.Context.Id).ToDictionary();
        Assert.All(runs, r => Assert.Equal(1, r.Value));
        foreach (var (id, outcome, _, _) in answers)
        {
            var job = await app.GetAsync(id);
            // An attempt that is told to stop before its handler has begun ends without a run.
            var ran = outcome == ActOutcome.Done || (job is { State: JobState.Cancelled, Attempt: 1 } && !runs.ContainsKey(id)) ? 0 : 1;
            Assert.Equal(outcome == ActOutcome.Done ? (JobState.Cancelled, 0, 0) : (job.State, 1, ran), (job.State, job.Attempt, runs.GetValueOrDefault(id)));
            Assert.True(outcome is ActOutcome.Done or ActOutcome.Requested or ActOutcome.Ended, $"{id}: {outcome}");
        }

        Assert.True(runs.Count is > 0 and < Rounds, $"no race: {runs.Count} of {Rounds} ran");
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Job_that_gets_another_priority_while_it_is_claimed_runs_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: AtOnce);
        var answers = await EachAsync(app, null, async (id, n) =>
        {
            await BrieflyAsync(n);
            var first = Assert.Single((await app.Operator.SetPriorityAsync(new() { Ids = [id] }, n % 16)).Jobs);
            await app.Operator.SetPriorityAsync(new() { Ids = [id] }, 31 - (n % 15));
            return first;
        });
        await app.AllEndedAsync(Rounds);
        Assert.Equal(Rounds, app.Runs.Select(r => r.Context.Id).Distinct().Count());
        Assert.Equal(Rounds, app.Runs.Count);
        Assert.Equal(Rounds, await app.ScalarAsync<long>("select count(*) from jobs.history where state = 'succeeded' and attempt = 1"));
        var changed = answers.Count(a => a.Outcome == ActOutcome.Done);
        Assert.True(changed is > 0 and < Rounds, $"no race: {changed} of {Rounds} were changed in time");
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Job_that_is_deleted_while_it_is_claimed_has_run_once_or_is_gone_without_a_run()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: AtOnce);
        var answers = await EachAsync(app, null, async (id, n) =>
        {
            await BrieflyAsync(n);
            return Assert.Single((await app.Operator.DeleteAsync(new() { Ids = [id], State = JobState.Queued })).Jobs);
        });
        var deleted = answers.Where(a => a.Outcome == ActOutcome.Done).Select(a => a.Id).ToHashSet();
        await app.AllEndedAsync(Rounds - deleted.Count);
        Assert.Equal(Rounds - deleted.Count, app.Runs.Count);
        Assert.Equal(Rounds - deleted.Count, app.Runs.Select(r => r.Context.Id).Where(i => !deleted.Contains(i)).Distinct().Count());
        Assert.True(deleted.Count is > 0 and < Rounds, $"no race: {deleted.Count} of {Rounds} were deleted in time");
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Job_that_is_retried_while_it_is_rescued_has_one_life()
    {
        await using var app = await TestApp.CreateAsync();
        var lives = new ConcurrentBag<JobId>();
        using var over = new CancellationTokenSource();
        var rescuing = Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                await app.Repair.RescueIfOrphanedAsync(10, poisonAfter: 3, default);
            }
        });
        var answers = await EachAsync(app, null, async (id, n) =>
        {
            // Its worker has died; for every second job it is the third one.
            await app.SqlAsync("update jobs.job set crashes = $2 where id = $1", id.Value, (short)(n % 2 * 2));
            Assert.Single(await app.ClaimAsync(Guid.NewGuid(), id));
            await BrieflyAsync(n % 4);
            var retried = await Task.WhenAll(app.Operator.RetryAsync(new() { Ids = [id] }), app.Operator.RetryAsync(new() { Ids = [id] }));
            foreach (var life in retried.Select(r => r.Jobs[0]).Where(a => a.Outcome == ActOutcome.Done))
            {
                lives.Add(life.NewLife!.Value);
            }

            return retried[0].Jobs[0];
        });
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.job where state = 'running'"), n => n == 0, "all are rescued");
        await over.CancelAsync();
        await rescuing;
        Assert.Equal(Rounds / 2, await app.ScalarAsync<long>("select count(*) from jobs.job where retry_of is null and state = 'queued' and dispatch = 2"));
        Assert.Equal(Rounds / 2, await app.ScalarAsync<long>("select count(*) from jobs.history where state = 'failed'"));
        Assert.Equal(lives.Count, await app.ScalarAsync<long>("select count(*) from jobs.history h join jobs.job j on j.retry_of = h.id and h.retried_as = j.id"));
        Assert.Equal(lives.Count, await app.ScalarAsync<long>("select count(*) from jobs.job where retry_of is not null"));
        Assert.Equal(lives.Count, lives.Distinct().Count());
        Assert.True(lives.Count is > 0 and < Rounds / 2, $"no race: {lives.Count} of {Rounds / 2} were retried in time");
    }

    /// <summary>A job for each round, some rounds at a time.</summary>
    private static async Task<IReadOnlyCollection<ActAnswer>> EachAsync(TestApp app, EnqueueOptions? options, Func<JobId, int, Task<ActAnswer>> act)
    {
        var answers = new ConcurrentBag<ActAnswer>();
        await Parallel.ForEachAsync(Enumerable.Range(0, Rounds), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (n, _) => answers.Add(await act(await app.Jobs.EnqueueAsync(new Work(n), options), n)));
        return answers;
    }

    /// <summary>None, or a few statements' time, so that rounds differ in what comes first.</summary>
    private static async Task BrieflyAsync(int n)
    {
        for (var i = 0; i < n % 5; i++)
        {
            await Task.Delay(1);
        }
    }
}
