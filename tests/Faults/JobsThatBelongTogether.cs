namespace Jobs.Tests.Faults;

/// <summary>Batches and chains while the processes that end their jobs are killed.</summary>
[Collection(ServersCollection.Name)]
public sealed class JobsThatBelongTogether(ServersFixture fixture, ITestOutputHelper output)
{
    [Fact]
    public async Task Batch_counts_are_exact_and_its_callbacks_run_once_although_workers_are_killed()
    {
        const int Jobs = 2000;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        var workers = Enumerable.Range(0, 3).Select(_ => arena.StartWorker()).ToList();
        var callbacks = new[] { arena.Ledger.Next(), arena.Ledger.Next() };
        foreach (var n in callbacks)
        {
            arena.Ledger.Intend(n);
        }

        var batch = await arena.Jobs.CreateBatchAsync(new() { OnSuccess = new Work(callbacks[0], 1), OnCompletion = new Work(callbacks[1], 1) });
        arena.Ledger.Acknowledge(callbacks[0], new JobId(await arena.AskAsync<Guid>("select (on_success ->> 'id')::uuid from jobs.batch where id = $1", batch.Value)));
        arena.Ledger.Acknowledge(callbacks[1], new JobId(await arena.AskAsync<Guid>("select (on_completion ->> 'id')::uuid from jobs.batch where id = $1", batch.Value)));
        var enqueueing = arena.Load.EnqueueAsync(Jobs, n => new Work(n, Ms: 20 + (int)(n % 30)), new EnqueueOptions { Batch = batch });
        for (var kills = 0; kills < 5 * Tally.Scale; kills++)
        {
            await Eventually.HoldsAsync("the victim works", () => workers[0].Started > 0);
            await Task.Delay(arena.Random.Next(200));
            await arena.KillAsync(workers[0]);
            workers.RemoveAt(0);
            workers.Add(arena.StartWorker());
        }

        await enqueueing;
        await arena.Jobs.SealBatchAsync(batch);
        await Eventually.HoldsAsync("the batch is complete, so its callbacks are enqueued", async () => (await arena.Jobs.GetBatchAsync(batch))!.CompletedAt is not null);
        await TheTruth.AssertAsync(arena);
        var info = (await arena.Jobs.GetBatchAsync(batch))!;
        Assert.Equal((Jobs, Jobs, 0, 0), (info.Total, info.Succeeded, info.Failed, info.Live));
        Assert.NotNull(info.CompletedAt);
    }

    [Fact]
    public async Task Chains_go_on_although_whoever_ended_a_job_died_before_it_told_the_next()
    {
        const int Chains = 60, Length = 4;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        for (var c = 0; c < Chains; c++)
        {
            var graph = new JobGraph();
            JobNode? last = null;
            var nodes = new List<(long N, JobId Id)>();
            for (var i = 0; i < Length; i++)
            {
                var n = arena.Ledger.Next();
                arena.Ledger.Intend(n);
                last = last is null ? graph.Add(new Work(n, 5)) : last.Then(new Work(n, 5));
                nodes.Add((n, last.Id));
            }

            await arena.Jobs.EnqueueGraphAsync(graph);
            nodes.ForEach(node => arena.Ledger.Acknowledge(node.N, node.Id));
        }

        // Each of these dies right after the commit of an end, before anybody is told of it.
        for (var kills = 0; kills < 4; kills++)
        {
            await arena.DieAsync(arena.StartWorker(crashAt: $"X7:{arena.Random.Next(1, 6)}"));
        }

        arena.StartWorker();
        await TheTruth.AssertAsync(arena);
        Assert.Equal(0, await arena.CountAsync("jobs.edge"));
        Assert.Equal(0, await arena.CountAsync("jobs.history child join jobs.history parent on parent.id = any(child.after) where child.started_at < parent.ended_at"));
        Assert.Equal(Chains * (Length - 1), await arena.CountAsync("jobs.history child where child.after is not null and child.state = 'succeeded'"));
    }
}
