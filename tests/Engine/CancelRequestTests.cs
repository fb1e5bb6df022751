using System.Collections.Concurrent;

namespace Jobs.Tests.Engine;

/// <summary>Requests to stop a job that runs.</summary>
public sealed class CancelRequestTests
{
    /// <summary>So long between two heartbeats that a test would not wait for one: 85 s.</summary>
    private static readonly Action<JobsOptions> SlowHeart = o => o.SessionTtl = TimeSpan.FromMinutes(10);

    private const string Cancelled = "It was cancelled by operator while it ran. Reason: wrong address.";

    private readonly Guid _session = Guid.NewGuid();

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false, Cancelled)]
    [InlineData(true, Cancelled + " Then it threw System.FormatException: interrupted")]
    public async Task Running_job_is_cancelled_at_once_whatever_its_handler_throws(bool throwsOther, string message)
    {
        await using var app = await TestApp.CreateAsync();
        var (gate, neighbour) = (new Gate(), new Gate());
        await app.WorkerAsync(async (job, context, ct) =>
        {
            try
            {
                return await (job.Number == 1 ? gate : neighbour).RunAsync(job, context, ct);
            }
            catch (OperationCanceledException e) when (throwsOther)
            {
                throw new FormatException("interrupted", e);
            }
        }, options: SlowHeart);
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        var other = await app.Jobs.EnqueueAsync(new Work(2));
        await gate.Begun;
        await neighbour.Begun;
        Assert.Equal([id], await app.RequestAsync(id));
        var ended = await app.EndedAsync(id);
        var error = Assert.Single(ended.Errors);
        Assert.Equal((JobState.Cancelled, 1, 0, "Jobs.Cancelled", message), (ended.State, ended.Attempt, ended.Failures, error.Type, error.Message));
        AssertAsked(ended);
        Assert.Null(ended.CancelRequested);
        await app.Repair.RenewCancelRequestsAsync(default);
        Assert.Equal(0, await app.RequestsAsync());
        neighbour.Open();
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(other)).State);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false)] // behind a transaction pooler
    [InlineData(true)]  // its connection was broken meanwhile
    public async Task Worker_that_hears_no_signal_looks_for_itself(bool broken)
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync, options: o => (o.AdvisoryLocks, o.SessionTtl) = (broken, TimeSpan.FromMinutes(10)));
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        if (broken)
        {
            await app.SqlAsync("insert into jobs.cancel_request (job, session) select id, session from jobs.job"); // as if its signal had been lost
            Assert.True(await app.ScalarAsync<bool>("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = (select lock_key from jobs.session)"));
        }
        else
        {
            await app.RequestAsync(id);
        }

        Assert.Equal(JobState.Cancelled, (await app.EndedAsync(id)).State);
    }

    [Fact]
    public async Task Handler_that_finishes_all_the_same_has_succeeded()
    {
        await using var app = await TestApp.CreateAsync();
        var begun = new TaskCompletionSource();
        await app.WorkerAsync(async (_, _, ct) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return JobOutcome.Succeeded;
        });
        var id = await app.Jobs.EnqueueAsync(new Work());
        await begun.Task.InTimeAsync();
        await app.RequestAsync(id);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 0), (ended.State, ended.Errors.Count));
        AssertAsked(ended);
    }

    [Fact]
    public async Task Who_asked_is_kept_of_a_job_that_ends_as_poison_or_expires()
    {
        await using var app = await TestApp.CreateAsync();
        var (poison, expired) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2), new() { Expires = TimeSpan.FromDays(1) }));
        await app.ClaimAsync(_session, poison);
        await app.ClaimAsync(_session, expired);
        await app.RequestAsync(poison, expired);
        await app.DeferAsync(_session, expired, attempt: 1);
        await app.SqlAsync("update jobs.job set crashes = 2 where id = $1", poison.Value);
        await app.SqlAsync("update jobs.job set expires_at = now() where id = $1", expired.Value);
        await app.Repair.RescueIfOrphanedAsync(10, 3, default);
        Assert.Equal(1, (await app.Repair.ExpireIfWaitingAsync(10, default)).Written);
        var ended = (Poison: await app.GetAsync(poison), Expired: await app.GetAsync(expired));
        Assert.Equal((JobState.Failed, JobState.Expired), (ended.Poison.State, ended.Expired.State));
        AssertAsked(ended.Poison);
        AssertAsked(ended.Expired);
        Assert.Equal(["snoozed", "cancelRequested"], ended.Expired.Events.Select(e => e.What)); // what was there stays
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false, "be tried again")]
    [InlineData(true, "snooze")]
    public async Task Handler_that_wants_another_attempt_gets_none(bool snooze, string wish)
    {
        await using var app = await TestApp.CreateAsync();
        var begun = new TaskCompletionSource();
        await app.WorkerAsync(async (_, _, ct) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return snooze ? JobOutcome.SnoozeFor(TimeSpan.FromHours(1)) : JobOutcome.RetryAfter(TimeSpan.FromHours(1), "interrupted");
        });
        var id = await app.Jobs.EnqueueAsync(new Work());
        await begun.Task.InTimeAsync();
        await app.RequestAsync(id);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Cancelled, 0, $"{Cancelled} Then its handler wanted it to {wish}."), (ended.State, ended.Failures, Assert.Single(ended.Errors).Message));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_that_ignores_it_is_cancelling_until_it_is_abandoned_and_cancelled()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        await app.WorkerAsync((job, context, ct) => job.Number == 1 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct),
            concurrency: 1, more: w => w.TimeoutGrace = TimeSpan.FromSeconds(1));
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        await gate.Begun;
        await app.RequestAsync(id);
        await gate.Cancelled;
        Assert.Equal([id], await app.RequestAsync(id)); // asking again changes nothing
        foreach (var job in new[] { await app.GetAsync(id), Assert.Single(await app.Operator.ListAsync(new())) })
        {
            Assert.Equal((JobState.Running, "operator", "wrong address"), (job.State, job.CancelRequested?.By, job.CancelRequested?.Reason));
            Assert.InRange(job.CancelRequested!.At, job.StartedAt!.Value, DateTimeOffset.MaxValue);
        }

        var ended = await app.EndedAsync(id);
        var error = Assert.Single(ended.Errors);
        Assert.Equal((JobState.Cancelled, "Jobs.Cancelled"), (ended.State, error.Type));
        Assert.StartsWith(Cancelled, error.Message, StringComparison.Ordinal);
        Assert.Contains("its code may still run in process", error.Message, StringComparison.Ordinal);
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(2)))).State);
        gate.Open();
        await app.LoggedAsync(1427);
    }

    [Fact]
    public async Task Cancelled_jobs_follower_is_told()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync);
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        var child = await app.Jobs.EnqueueAsync(new Work(2), new() { After = [id] });
        await gate.Begun;
        await app.RequestAsync(id);
        Assert.Equal(JobState.Cancelled, (await app.EndedAsync(child)).State);
        Assert.Single(app.Runs);
    }

    [Fact]
    public async Task Job_that_does_not_run_is_not_asked_for()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        Assert.Empty(await app.RequestAsync(id));
        Assert.Equal(0, await app.RequestsAsync());
    }

    [Fact]
    public async Task Request_is_told_until_the_job_has_ended_and_goes_where_it_runs_next()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.Sessions.ConnectAsync(default);
        var (first, second) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2)));
        await app.ClaimAsync(_session, first);
        await app.ClaimAsync(_session, second);
        Assert.Equal([first, second], (await app.RequestAsync(first, second)).OrderBy(i => i.Value.ToString(), StringComparer.Ordinal));

        await app.DeferAsync(_session, second, attempt: 1);
        var again = Assert.Single((await app.Repair.PromoteIfDueAsync(10, default)).Tickets);
        var other = Guid.NewGuid();
        Assert.Equal(2, Assert.Single(await app.ClaimAsync(other, second, again.Dispatch)).Attempt);
        Assert.Equal(0, (await app.Repair.CancelIfRequestedAsync(10, default)).Written);
        for (var look = 0; look < 2; look++) // nothing is deleted by being read
        {
            Assert.Equal([new(first, 1, "operator", "wrong address")], await app.Sessions.CancelRequestsAsync(connection, _session, default));
            Assert.Equal([new(second, 2, "operator", "wrong address")], await app.Sessions.CancelRequestsAsync(connection, other, default));
        }

        var heard = new TaskCompletionSource<string>();
        await app.Sessions.ListenAsync(connection, heard.SetResult, default);
        await app.Repair.RenewCancelRequestsAsync(default);
        await connection.WaitAsync().InTimeAsync();
        Assert.Equal("cancel", await heard.Task.InTimeAsync());
        Assert.Equal(2, await app.RequestsAsync());
        await app.EndAsync(other, second, attempt: 2);
        await app.Repair.RenewCancelRequestsAsync(default);
        Assert.Equal(1, await app.RequestsAsync());
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("retry")]
    [InlineData("hand back")]
    [InlineData("rescue")]
    public async Task Job_whose_attempt_ends_in_another_way_is_cancelled_before_it_is_started_again(string way)
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        var child = await app.Jobs.EnqueueAsync(new Work(2), new() { After = [id] });
        await app.ClaimAsync(_session, id);
        await app.RequestAsync(id);
        _ = way switch
        {
            "retry" => await app.DeferAsync(_session, id, attempt: 1),
            "hand back" => (await app.Store.HandBackIfRunningAsync(_session, [id.Value], default)).Count,
            _ => (await app.Repair.RescueIfOrphanedAsync(10, 3, default)).Count,
        };
        var report = await app.Repair.CancelIfRequestedAsync(10, default);
        Assert.Equal((1, id.Value), (report.Written, Assert.Single(report.Followed.Jobs)));
        var ended = await app.GetAsync(id);
        Assert.Equal((JobState.Cancelled, 1), (ended.State, ended.Attempt));
        Assert.Equal($"{Cancelled} That attempt ended in another way; no other one was started.", ended.Errors[^1].Message);
        Assert.Equal("operator", ended.Events[^1].By);
        await app.Repair.RenewCancelRequestsAsync(default);
        Assert.Equal(0, await app.RequestsAsync());
        await app.SchedulerAsync();
        Assert.Equal(JobState.Cancelled, (await app.EndedAsync(child)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_that_ends_while_its_end_is_asked_for_ends_once()
    {
        const int Rounds = 1000;
        await using var app = await TestApp.CreateAsync();
        var asking = new ConcurrentBag<Task>();
        await app.WorkerAsync(async (job, context, ct) =>
        {
            asking.Add(Task.Run(() => app.RequestAsync(context.Id), CancellationToken.None));
            await Task.Delay(job.Number % 4, CancellationToken.None); // some end before the request, some with it, some after
            return job.Number % 5 == 0 ? throw new OperationCanceledException(ct) : JobOutcome.Succeeded;
        }, concurrency: 16, retry: new RetryPolicy(maxAttempts: 1));
        await app.SchedulerAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, Rounds).Select(n => new Work(n)));
        await app.AllEndedAsync(Rounds);
        await Task.WhenAll(asking);
        Assert.Equal(Rounds, await app.ScalarAsync<long>("select count(distinct id) from jobs.history where attempt = 1"));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.history where state = 'succeeded' and errors is not null or state = 'cancelled' and jsonb_array_length(errors) <> 1"));
        await Eventually.SeeAsync(app.RequestsAsync, n => n == 0, "no request is left");
        Assert.Equal((0, Rounds), (await app.LiveAsync(), await app.EndedAsync()));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_that_is_tried_again_while_its_end_is_asked_for_is_cancelled()
    {
        const int Rounds = 1000;
        await using var app = await TestApp.CreateAsync();
        var asking = new ConcurrentDictionary<JobId, Task<List<JobId>>>();
        await app.WorkerAsync(async (job, context, ct) =>
        {
            if (context.Attempt == 1)
            {
                asking[context.Id] = Task.Run(() => app.RequestAsync(context.Id), CancellationToken.None);
                await Task.Delay(job.Number % 4, CancellationToken.None);
                return JobOutcome.RetryAfter(TimeSpan.Zero, "again");
            }

            if ((await asking[context.Id]).Count > 0) // otherwise it found nothing that ran
            {
                await Task.Delay(Timeout.Infinite, ct); // until it is told
            }

            return JobOutcome.Succeeded;
        }, concurrency: 200);
        await app.SchedulerAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, Rounds).Select(n => new Work(n)));
        await app.AllEndedAsync(Rounds);
        var cancelled = await app.ScalarAsync<Guid[]>("select array_agg(id) from jobs.history where state = 'cancelled'");
        var asked = (await Task.WhenAll(asking.Values)).SelectMany(a => a).Select(a => a.Value).ToList();
        Assert.Equal(asked.Order(), cancelled.Order());
        Assert.InRange(asked.Count, 1, Rounds);
        Assert.Equal(Rounds, await app.ScalarAsync<long>("select count(distinct id) from jobs.history where state in ('cancelled', 'succeeded')"));
    }

    private static void AssertAsked(JobInfo ended)
    {
        var asked = Assert.Single(ended.Events, e => e.What == "cancelRequested");
        Assert.Equal(("operator", "wrong address"), (asked.By, asked.Reason));
    }
}

internal static class CancelRequests
{
    private static readonly SemaphoreSlim Askers = new(16); // not more connections than there are for all tests

    public static async Task<List<JobId>> RequestAsync(this TestApp app, params JobId[] ids)
    {
        await Askers.WaitAsync();
        try
        {
            return await app.Store.RequestCancelIfRunningAsync([.. ids.Select(i => i.Value)], "operator", "wrong address", CancellationToken.None);
        }
        finally
        {
            Askers.Release();
        }
    }

    public static Task<long> RequestsAsync(this TestApp app) => app.ScalarAsync<long>("select count(*) from jobs.cancel_request");
}
