namespace Jobs.Tests.Engine;

/// <summary>What an operator does to jobs, and what is said of those that were left.</summary>
public sealed class ControlTests
{
    private static readonly Act Ann = new() { By = "ann@desk", Reason = "wrong prices" };
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly Guid _session = Guid.NewGuid();

    [Fact]
    public async Task Job_whose_end_nobody_waits_for_any_more_can_be_deleted()
    {
        await using var app = await TestApp.CreateAsync();
        var waited = await app.Jobs.EnqueueAsync(new Work(1), new() { Delay = Hour });
        await Assert.ThrowsAsync<TimeoutException>(() => app.Jobs.WaitAsync(waited, TimeSpan.FromMilliseconds(20)));
        var parent = await app.Jobs.EnqueueAsync(new Work(2), new() { Delay = Hour });
        var child = await app.Jobs.EnqueueAsync(new Work(3), new() { After = [parent] });
        Assert.Equal(1, (await app.Operator.DeleteAsync(new() { Ids = [waited] }, Ann)).Done);
        Assert.Equal(0, (await app.Operator.DeleteAsync(new() { Ids = [parent] }, Ann)).Done);
        Assert.Equal(1, (await app.Operator.DeleteAsync(new() { Ids = [child] }, Ann)).Done);
        Assert.Equal(1, (await app.Operator.DeleteAsync(new() { Ids = [parent] }, Ann)).Done);
        Assert.Equal(0, await app.LiveAsync());
    }

    [Fact]
    public async Task Cancelled_waiting_job_never_starts_and_says_by_whom_and_why()
    {
        await using var app = await TestApp.CreateAsync();
        var queued = await app.Jobs.EnqueueAsync(new Work(1));
        var scheduled = await app.Jobs.EnqueueAsync(new Work(2), new() { Delay = Hour, Unique = new Unique { Key = "two" } });
        var blocked = await app.Jobs.EnqueueAsync(new Work(3), new() { After = [scheduled] });
        var pending = await PendingAsync(app, new Work(4));
        var report = await app.Operator.CancelAsync(new() { Ids = [queued, scheduled, pending] }, Ann);
        Assert.Equal((3, 0), (report.Done, report.Left));
        Assert.Equal([queued, scheduled, pending], report.Jobs.Select(j => j.Id));
        Assert.All(report.Jobs, j => Assert.Equal(ActOutcome.Done, j.Outcome));
        foreach (var id in new[] { queued, scheduled, pending })
        {
            var job = await app.GetAsync(id);
            var what = Assert.Single(job.Events);
            Assert.Equal((JobState.Cancelled, 0, "cancelled", "ann@desk", "wrong prices"), (job.State, job.Attempt, what.What, what.By, what.Reason));
            Assert.Equal(("Jobs.Cancelled", "It was cancelled by ann@desk before it was started: wrong prices"), (job.Errors[^1].Type, job.Errors[^1].Message));
        }

        Assert.Equal("Jobs.ParentDidNotSucceed", Assert.Single((await app.EndedAsync(blocked)).Errors).Type); // told without a scheduler
        await app.WorkerAsync(Runs.Done);
        var last = await app.Jobs.EnqueueAsync(new Work(5), new() { Priority = 0, Unique = new Unique { Key = "two" } });
        await app.EndedAsync(last);
        Assert.Equal([5], app.Runs.Select(r => r.Job.Number));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.edge"));
    }

    [Fact]
    public async Task Cancelled_blocked_job_waits_for_nobody_and_its_batch_completes()
    {
        await using var app = await TestApp.CreateAsync();
        var batch = await app.Jobs.CreateBatchAsync(new() { OnCompletion = new Other(9) });
        var parent = await app.Jobs.EnqueueAsync(new Work(1), new() { Delay = Hour });
        var child = await app.Jobs.EnqueueAsync(new Work(2), new() { After = [parent], Batch = batch });
        await app.Jobs.SealBatchAsync(batch);
        Assert.Equal(1, (await app.Operator.CancelAsync(new() { Batch = batch })).Done);
        var job = await app.GetAsync(child);
        Assert.Equal((JobState.Cancelled, "tests"), (job.State, Assert.Single(job.Events).By));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.edge"));
        Assert.NotNull((await app.Jobs.GetBatchAsync(batch))!.CompletedAt);
        Assert.Equal("test.other", Assert.Single(await app.Operator.ListAsync(new() { State = JobState.Queued })).Type);
    }

    [Fact]
    public async Task Running_job_is_asked_to_stop_and_the_answer_says_so()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync, options: o => o.SessionTtl = TimeSpan.FromSeconds(5));
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        var predicted = Assert.Single((await app.Operator.CancelAsync(new() { Ids = [id] }, Ann, dryRun: true)).Jobs);
        Assert.Equal(ActOutcome.Requested, predicted.Outcome);
        Assert.StartsWith("would be asked to stop: it has run since 20", predicted.Message, StringComparison.Ordinal);
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.cancel_request"));
        Assert.Equal(ActOutcome.NotMatched, Assert.Single((await app.Operator.CancelAsync(new() { Ids = [id], State = JobState.Queued }, Ann)).Jobs).Outcome);
        Assert.Equal(ActOutcome.Requested, Assert.Single((await app.Operator.CancelAsync(new() { Ids = [id] }, Ann)).Jobs).Outcome);
        Assert.Equal(JobState.Cancelled, (await app.EndedAsync(id)).State);
    }

    [Fact]
    public async Task Answers_name_what_jobs_are_that_were_left()
    {
        await using var app = await TestApp.CreateAsync();
        var (running, ended, nowhere) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2)), JobId.New());
        await app.ClaimAsync(_session, running);
        await app.ClaimAsync(_session, ended);
        await app.EndAsync(_session, ended, 1);
        var filter = new JobFilter { Ids = [nowhere, running, ended, running] };
        var priority = await app.Operator.SetPriorityAsync(filter, 3);
        Assert.Equal([ActOutcome.NotFound, ActOutcome.Running, ActOutcome.Ended, ActOutcome.Running], priority.Jobs.Select(j => j.Outcome));
        Assert.StartsWith("has been running since 20", priority.Jobs[1].Message, StringComparison.Ordinal);
        Assert.StartsWith("ended as failed at 20", priority.Jobs[2].Message, StringComparison.Ordinal);
        Assert.Equal([1, 1, 1], new[] { ActOutcome.NotFound, ActOutcome.Running, ActOutcome.Ended }.Select(o => priority.Counts[o]));
        Assert.Equal((0, 3), (priority.Done, priority.Left));
        Assert.Equal(ActOutcome.Running, (await app.Operator.MoveAsync(new() { Ids = [running] }, new() { Queue = "slow" })).Jobs[0].Outcome);
        Assert.Equal(ActOutcome.Running, (await app.Operator.DeleteAsync(new() { Ids = [running] })).Jobs[0].Outcome);
        Assert.Equal(ActOutcome.Running, (await app.Operator.RetryAsync(new() { Ids = [running] })).Jobs[0].Outcome);
        Assert.Equal(1, (await app.Operator.SetPriorityAsync(new(), 3)).Counts[ActOutcome.Running]);
        Assert.Equal(("default", 16, 1), ((await app.GetAsync(running)).Queue, (await app.GetAsync(running)).Priority, (await app.GetAsync(running)).Attempt));
    }

    [Fact]
    public async Task Queued_jobs_of_another_priority_run_in_their_new_order()
    {
        await using var app = await TestApp.CreateAsync();
        var ids = new List<JobId>();
        for (var n = 0; n < 5; n++)
        {
            ids.Add(await app.Jobs.EnqueueAsync(new Work(n), new() { Tags = n % 2 == 0 ? ["even"] : [] }));
        }

        var report = await app.Operator.SetPriorityAsync(new() { Tags = ["even"] }, 20, Ann);
        Assert.Equal(3, report.Done);
        Assert.Equal(3, (await app.Operator.SetPriorityAsync(new() { Tags = ["even"] }, 20, Ann)).Counts[ActOutcome.Unchanged]);
        Assert.Equal(1, (await app.Operator.SetPriorityAsync(new() { Ids = [ids[3]] }, 31)).Done);
        await app.WaitForTicketsAsync("default", 9); // five, and four more
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(5);
        Assert.Equal([3, 0, 2, 4, 1], app.Runs.Select(r => r.Job.Number));
        var job = await app.GetAsync(ids[0]);
        var what = Assert.Single(job.Events);
        Assert.Equal((20, "priority", "16", "20", "ann@desk", "wrong prices"), (job.Priority, what.What, what.From, what.To, what.By, what.Reason));
    }

    [Fact]
    public async Task Moved_job_runs_in_its_new_queue_and_its_old_ticket_is_stale()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        Assert.Equal(ActOutcome.Done, (await app.Operator.MoveAsync(new() { Ids = [id] }, new() { Queue = "other" }, Ann)).Jobs[0].Outcome);
        Assert.Equal(ActOutcome.Unchanged, (await app.Operator.MoveAsync(new() { Ids = [id] }, new() { Queue = "other", Delay = TimeSpan.Zero }, Ann)).Jobs[0].Outcome);
        Assert.Empty(await app.ClaimAsync(_session, id, dispatch: 1, queue: "other"));
        await app.WorkerAsync(Runs.Done, more: w => w.Queue("other", 1));
        var job = await app.EndedAsync(id);
        var what = Assert.Single(job.Events);
        Assert.Equal((JobState.Succeeded, "other", "queue", "default", "other"), (job.State, job.Queue, what.What, what.From, what.To));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_is_moved_to_a_later_time_and_back_to_now()
    {
        await using var app = await TestApp.CreateAsync();
        var (queued, pending) = (await app.Jobs.EnqueueAsync(new Work(1)), await PendingAsync(app, new Work(2)));
        var parent = await app.Jobs.EnqueueAsync(new Work(3));
        var blocked = await app.Jobs.EnqueueAsync(new Work(4), new() { After = [parent] });
        var later = DateTimeOffset.Parse("2150-01-02T03:04:05Z", System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(3, (await app.Operator.MoveAsync(new() { Ids = [queued, pending, blocked] }, new() { RunAt = later, Queue = "night" }, Ann)).Done);
        foreach (var (id, state) in new[] { (queued, JobState.Scheduled), (pending, JobState.Scheduled), (blocked, JobState.Blocked) })
        {
            var job = await app.GetAsync(id);
            Assert.Equal((state, later, "night"), (job.State, job.DueAt, job.Queue));
            Assert.Equal(["queue", "time"], job.Events.Select(e => e.What));
            Assert.Equal("2150-01-02T03:04:05.000Z", job.Events[1].To);
        }

        Assert.Empty(await app.ClaimAsync(_session, queued, dispatch: 1, queue: "night"));
        await app.ClaimAsync(_session, parent);
        Assert.Equal(3, (await app.Operator.MoveAsync(new() { Queue = "night" }, new() { RunAt = DateTimeOffset.UnixEpoch })).Done);
        Assert.Equal([JobState.Queued, JobState.Queued, JobState.Blocked], await Task.WhenAll(new[] { queued, pending, blocked }.Select(async i => (await app.GetAsync(i)).State)));
        Assert.Equal(("2150-01-02T03:04:05.000Z", "now"), ((await app.GetAsync(blocked)).Events[^1].From, (await app.GetAsync(blocked)).Events[^1].To));
        await app.SucceedAsync(_session, parent, 1);
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done, more: w => w.Queue("night", 1));
        await app.AllEndedAsync(4);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Deleted_jobs_are_gone_and_needed_ones_are_left()
    {
        await using var app = await TestApp.CreateAsync();
        var waiting = await app.Jobs.EnqueueAsync(new Work(1));
        var parent = await app.Jobs.EnqueueAsync(new Work(2));
        var child = await app.Jobs.EnqueueAsync(new Work(3), new() { After = [parent] });
        var batch = await app.Jobs.CreateBatchAsync();
        var (counted, endedCounted, ended) = (await app.Jobs.EnqueueAsync(new Work(4), new() { Batch = batch }), await app.Jobs.EnqueueAsync(new Work(5), new() { Batch = batch }), await app.Jobs.EnqueueAsync(new Work(6)));
        foreach (var id in new[] { endedCounted, ended })
        {
            await app.ClaimAsync(_session, id);
            await app.EndAsync(_session, id, 1);
        }

        var ids = new JobFilter { Ids = [waiting, parent, counted, endedCounted, ended] };
        var predicted = await app.Operator.DeleteAsync(ids, dryRun: true);
        Assert.Equal(6, await app.LiveAsync() + await app.EndedAsync());
        var report = await app.Operator.DeleteAsync(ids, Ann);
        Assert.Equal([ActOutcome.Done, ActOutcome.Needed, ActOutcome.Needed, ActOutcome.Needed, ActOutcome.Done], report.Jobs.Select(j => j.Outcome));
        Assert.Equal(report.Jobs.Select(j => j.Outcome), predicted.Jobs.Select(j => j.Outcome));
        Assert.EndsWith("cancel it instead", report.Jobs[1].Message, StringComparison.Ordinal);
        Assert.Equal("would be deleted", predicted.Jobs[0].Message);
        Assert.Null(await app.Jobs.GetAsync(waiting));
        Assert.Null(await app.Jobs.GetAsync(ended));
        Assert.Equal(1, (await app.Operator.DeleteAsync(new() { Ids = [child] })).Done);
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.edge"));
        await app.Operator.CancelAsync(new() { Ids = [parent, counted] });
        await app.Jobs.SealBatchAsync(batch);
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.Jobs.GetBatchAsync(batch), b => b!.CompletedAt is not null, "the batch is complete");
        Assert.Equal(3, (await app.Operator.DeleteAsync(new())).Done);
        Assert.Equal(0, await app.LiveAsync() + await app.EndedAsync());
    }

    [Fact]
    public async Task Child_of_a_job_that_was_deleted_before_its_enqueue_could_be_seen_is_let_go()
    {
        await using var app = await TestApp.CreateAsync();
        var parent = await app.Jobs.EnqueueAsync(new Work(1));
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var child = await app.Jobs.EnqueueAsync(new Work(2), transaction, new() { After = [parent] });
        Assert.Equal(1, (await app.Operator.DeleteAsync(new() { Ids = [parent] })).Done);
        await transaction.CommitAsync();
        await app.SchedulerAsync();
        var job = await app.EndedAsync(child);
        Assert.Equal((JobState.Cancelled, "Jobs.ParentDidNotSucceed"), (job.State, Assert.Single(job.Errors).Type));
    }

    private static async Task<JobId> PendingAsync(TestApp app, Work work)
    {
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var id = await app.Jobs.EnqueueAsync(work, transaction);
        await transaction.CommitAsync();
        return id;
    }
}
