namespace Jobs.Tests.Engine;

/// <summary>Jobs that wait for others.</summary>
public sealed class ChainTests
{
    [Fact]
    public async Task Chain_runs_in_order_and_each_sees_the_result_of_the_one_before()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(async (job, context, ct) =>
        {
            var before = context.After.Count == 0 ? 0 : await app.Jobs.GetResultAsync<int>(context.After[0], ct);
            return JobOutcome.WithResult(before + job.Number);
        });
        var graph = new JobGraph();
        var last = graph.Add(new Work(1)).Then(new Work(10)).Then(new Work(100));
        await app.Jobs.EnqueueGraphAsync(graph);
        await app.EndedAsync(last.Id);
        Assert.Equal(111, await app.Jobs.GetResultAsync<int>(last.Id));
        Assert.Equal([1, 10, 100], app.Runs.Select(r => r.Job.Number));
    }

    [Fact]
    public async Task Waiting_job_is_blocked_and_says_for_how_many()
    {
        await using var app = await TestApp.CreateAsync();
        var (a, b) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2)));
        var child = await app.GetAsync(await app.Jobs.EnqueueAsync(new Work(3), new() { After = [a, b] }));
        Assert.Equal((JobState.Blocked, 2), (child.State, child.Waits));
        Assert.Equal([a, b], child.After);
    }

    [Fact]
    public async Task Parent_that_has_ended_already_lets_the_job_start_at_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var parent = await app.Jobs.EnqueueAsync(new Work(1));
        await app.EndedAsync(parent);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(2), new() { After = [parent] }));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Parent_that_ends_while_the_job_is_enqueued_never_leaves_it_behind()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 16);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            for (var n = 0; n < 30; n++)
            {
                var parent = await app.Jobs.EnqueueAsync(new Work(n));
                await app.Jobs.EnqueueAsync(new Work(n), new() { After = [parent] });
            }
        })));
        await app.AllEndedAsync(2 * 16 * 30);
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.edge"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Diamond_starts_its_last_job_once_after_both_sides()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 8);
        for (var n = 0; n < 40; n++)
        {
            var graph = new JobGraph();
            var top = graph.Add(new Work(0));
            graph.Add(new Work(3)).After(top.Then(new Work(1)), top.Then(new Work(2)));
            await app.Jobs.EnqueueGraphAsync(graph);
        }

        await app.AllEndedAsync(160);
        Assert.Equal(40, app.Runs.Count(r => r.Job.Number == 3));
        Assert.All(app.Runs, r => Assert.Equal(1, r.Context.Attempt));
    }

    [Fact]
    public async Task Failure_cancels_the_jobs_that_wait_and_those_that_wait_for_them()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((job, _, _) => Task.FromResult(job.Number == 1 ? JobOutcome.FailNow("no") : JobOutcome.Succeeded));
        var graph = new JobGraph();
        var parent = graph.Add(new Work(1));
        var child = parent.Then(new Work(2));
        var grandchild = child.Then(new Work(3));
        var always = graph.Add(new Work(4)).After(parent, Otherwise.Run);
        await app.Jobs.EnqueueGraphAsync(graph);
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(always.Id)).State);
        Assert.Equal(JobState.Cancelled, (await app.EndedAsync(grandchild.Id)).State);
        var cancelled = await app.EndedAsync(child.Id);
        Assert.Equal(JobState.Cancelled, cancelled.State);
        Assert.Equal($"Job {parent.Id}, which it waited for, did not succeed.", Assert.Single(cancelled.Errors).Message);
        Assert.DoesNotContain(app.Runs, r => r.Job.Number is 2 or 3);
    }

    [Fact]
    public async Task Job_that_is_to_be_held_stays_blocked_when_its_parent_fails()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((job, _, _) => Task.FromResult(job.Number == 1 ? JobOutcome.FailNow("no") : JobOutcome.Succeeded));
        var graph = new JobGraph();
        var parent = graph.Add(new Work(1));
        var held = graph.Add(new Work(2)).After(parent, Otherwise.Hold);
        var other = graph.Add(new Work(3)).After(parent, Otherwise.Run);
        await app.Jobs.EnqueueGraphAsync(graph);
        await app.EndedAsync(other.Id);
        Assert.Equal((JobState.Blocked, 1), ((await app.GetAsync(held.Id)).State, (await app.GetAsync(held.Id)).Waits));
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.edge where held_at is not null"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Released_job_with_a_time_of_its_own_waits_for_that_too()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var graph = new JobGraph();
        var child = graph.Add(new Work(1)).Then(new Work(2), new() { Delay = TimeSpan.FromHours(1) });
        await app.Jobs.EnqueueGraphAsync(graph);
        await app.InStateAsync(child.Id, JobState.Scheduled);
        await app.MakeDueAsync(child.Id);
        await app.SchedulerAsync();
        await app.EndedAsync(child.Id);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Open_transaction_that_names_a_running_job_does_not_hold_up_its_end()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Number == 1 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct));
        await app.SchedulerAsync();
        var unique = new EnqueueOptions { Unique = new Unique { Key = "k" } };
        var parent = await app.Jobs.EnqueueAsync(new Work(1), unique);
        await gate.Begun;
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var child = await app.Jobs.EnqueueAsync(new Work(2), transaction, new() { After = [parent] });
        Assert.Equal(parent, await app.Jobs.EnqueueAsync(new Work(3), transaction, unique));
        gate.Open();
        await app.EndedAsync(parent);
        await transaction.CommitAsync();
        await app.EndedAsync(child);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Graph_in_a_transaction_is_all_or_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await app.SchedulerAsync();
        await using var connection = await app.ConnectAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            var graph = new JobGraph();
            graph.Add(new Work(1)).Then(new Work(2));
            await app.Jobs.EnqueueGraphAsync(graph, transaction);
            await transaction.RollbackAsync();
        }

        Assert.Equal((0, 0), (await app.LiveAsync(), await app.ScalarAsync<long>("select count(*) from jobs.edge")));
        await using var second = await connection.BeginTransactionAsync();
        var kept = new JobGraph();
        kept.Add(new Work(1)).Then(new Work(2));
        await app.Jobs.EnqueueGraphAsync(kept, second);
        await second.CommitAsync();
        await app.AllEndedAsync(2);
    }

    [Fact]
    public async Task Cycle_is_refused_with_its_jobs_named_and_nothing_is_enqueued()
    {
        await using var app = await TestApp.CreateAsync();
        var graph = new JobGraph();
        var a = graph.Add(new Work(1));
        var b = a.Then(new Work(2));
        var c = b.Then(new Other(3));
        a.After(c);
        graph.Add(new Work(4));
        var e = await Assert.ThrowsAsync<ArgumentException>(() => app.Jobs.EnqueueGraphAsync(graph));
        Assert.Contains("The graph has a cycle", e.Message);
        Assert.Contains($"test.other {c.Id} after test.work {b.Id}", e.Message);
        Assert.Equal(0, await app.LiveAsync());
    }

    [Fact]
    public async Task Parent_that_does_not_exist_is_an_error_and_nothing_is_enqueued()
    {
        await using var app = await TestApp.CreateAsync();
        var missing = JobId.New();
        var e = await Assert.ThrowsAsync<JobsException>(() => app.Jobs.EnqueueAsync(new Work(), new() { After = [missing] }));
        Assert.Contains($"There is no job {missing} to wait for", e.Message);
        Assert.Equal(0, await app.LiveAsync());
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Long_chain_and_a_wide_fan_end_once_each()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 20);
        var graph = new JobGraph();
        var top = graph.Add(new Work(0));
        var node = top;
        for (var n = 0; n < 100; n++)
        {
            node = node.Then(new Work(1));
        }

        graph.Add(new Work(2)).After(Enumerable.Range(0, 500).Select(n => top.Then(new Work(3))));
        await app.Jobs.EnqueueGraphAsync(graph);
        await app.AllEndedAsync(602);
        Assert.Equal(602, app.Runs.Count);
        Assert.Equal(2, app.Runs.Last(r => r.Job.Number != 1).Job.Number);
    }
}
