namespace Jobs.Tests.Engine;

/// <summary>Jobs that are not worth starting after a time, and what the sweep mends.</summary>
public sealed class ExpiryTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(10);
    private static readonly RetryPolicy Hourly = new(maxAttempts: 3, _ => TimeSpan.FromHours(1), jitter: 0);

    private readonly Guid _session = Guid.NewGuid();

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("queued")]
    [InlineData("scheduled")]
    [InlineData("blocked")]
    public async Task Waiting_job_ends_as_expired_and_says_when(string state)
    {
        await using var app = await TestApp.CreateAsync();
        var parent = await app.Jobs.EnqueueAsync(new Work());
        var id = await app.Jobs.EnqueueAsync(new Work(), state switch
        {
            "queued" => new() { Expires = Soon },
            "scheduled" => new() { Expires = Soon, Delay = TimeSpan.FromHours(1) },
            _ => new() { Expires = Soon, After = [parent] },
        });
        await app.SchedulerAsync();
        var ended = await app.EndedAsync(id);
        var error = Assert.Single(ended.Errors);
        Assert.Equal((JobState.Expired, 0, 0, "Jobs.Expired"), (ended.State, ended.Attempt, ended.Failures, error.Type));
        Assert.StartsWith($"It was not worth starting after {ended.EnqueuedAt + Soon:yyyy-MM-dd HH:mm:ss.fff} UTC, and was still {state} then. Seen ", error.Message, StringComparison.Ordinal);
        Assert.Equal((1, 0), (await app.LiveAsync(), await app.ScalarAsync<long>("select count(*) from jobs.edge")));
    }

    [Fact]
    public async Task Only_waiting_jobs_past_their_time_expire()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueAsync(new Work(1));
        await app.Jobs.EnqueueAsync(new Work(2), new() { Expires = TimeSpan.FromDays(3653) });
        var running = await app.Jobs.EnqueueAsync(new Work(3), new() { Expires = TimeSpan.FromHours(1) });
        Assert.Single(await app.ClaimAsync(_session, running));
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var pending = await app.Jobs.EnqueueAsync(new Work(4), transaction, new() { Expires = TimeSpan.FromHours(1) });
        await transaction.CommitAsync();
        await app.SqlAsync("update jobs.job set expires_at = now() where id = any($1)", new[] { running.Value, pending.Value });

        Assert.Equal(1, (await app.Repair.ExpireIfWaitingAsync(10, default)).Written);
        Assert.Equal((JobState.Expired, JobState.Running), ((await app.GetAsync(pending)).State, (await app.GetAsync(running)).State));
        Assert.Equal((3, 1), (await app.LiveAsync(), await app.EndedAsync()));
        Assert.Equal(1, await app.SucceedAsync(_session, running, 1)); // late, and done
    }

    [Fact]
    public async Task No_more_than_the_limit_expire_at_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 25).Select(n => new Work(n)), _ => new() { Expires = TimeSpan.FromTicks(10) });
        Assert.Equal((10, 10, 5, 0), (await OnceAsync(), await OnceAsync(), await OnceAsync(), await OnceAsync()));
        Assert.Equal((0, 25), (await app.LiveAsync(), await app.EndedAsync()));

        async Task<int> OnceAsync() => (await app.Repair.ExpireIfWaitingAsync(10, default)).Written;
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Retry_that_would_start_too_late_ends_as_expired()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.InOrder(() => throw new FormatException("no good"), () => JobOutcome.Succeeded), retry: Hourly);
        await app.SchedulerAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Expires = TimeSpan.FromMinutes(50) });
        await app.InStateAsync(id, JobState.Scheduled);
        await app.SqlAsync("update jobs.job set expires_at = now() where id = $1", id.Value);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Expired, 1, 1), (ended.State, ended.Attempt, ended.Failures));
        Assert.Equal(["System.FormatException", "Jobs.Expired"], ended.Errors.Select(e => e.Type));
        Assert.Single(app.Runs);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Those_that_wait_for_an_expired_job_are_told()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(1), new() { Expires = TimeSpan.FromHours(1), Queue = "nobody" });
        var cancelled = await app.Jobs.EnqueueAsync(new Work(2), new() { After = [new(id, Otherwise.Cancel)] });
        var run = await app.Jobs.EnqueueAsync(new Work(3), new() { After = [new(id, Otherwise.Run)] });
        await app.WorkerAsync(Runs.Done);
        await app.SqlAsync("update jobs.job set expires_at = now() where id = $1", id.Value);
        await app.SchedulerAsync();
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(run)).State);
        var child = await app.EndedAsync(cancelled);
        Assert.Equal((JobState.Cancelled, JobState.Expired), (child.State, (await app.GetAsync(id)).State));
        Assert.Contains(id.ToString(), Assert.Single(child.Errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Batch_whose_last_job_expires_is_complete()
    {
        await using var app = await TestApp.CreateAsync();
        var batch = await app.Jobs.CreateBatchAsync(new() { OnCompletion = new Other(7) });
        await app.Jobs.EnqueueAsync(new Work(), new() { Batch = batch, Expires = Soon });
        await app.Jobs.SealBatchAsync(batch);
        await app.SchedulerAsync();
        var info = await Eventually.SeeAsync(() => app.Jobs.GetBatchAsync(batch), b => b!.CompletedAt is not null, "the batch is complete", app.Log.Tail);
        Assert.Equal((0, 0, 1), (info!.Live, info.Succeeded, info.Failed));
        Assert.NotNull(info.FailedAt);
        Assert.Equal("test.other", Assert.Single(await app.Operator.ListAsync(new() { State = JobState.Queued })).Type);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_that_is_claimed_and_expires_at_once_ends_once()
    {
        await using var app = await TestApp.CreateAsync();
        using var over = new CancellationTokenSource(Eventually.Patience);
        for (var round = 1; round <= 10; round++)
        {
            var ids = Enumerable.Range(0, 40).Select(_ => JobId.New()).ToArray();
            var next = 0;
            await app.Jobs.EnqueueManyAsync(ids.Select((_, n) => new Work(n)), w => new() { Id = ids[w.Number], Expires = TimeSpan.FromMilliseconds(1 + w.Number) });
            var claimed = new System.Collections.Concurrent.ConcurrentBag<JobId>();
            var claims = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
            {
                for (int i; (i = Interlocked.Increment(ref next) - 1) < ids.Length;)
                {
                    foreach (var job in await app.ClaimAsync(_session, ids[^(i + 1)]))
                    {
                        claimed.Add(job.Id);
                    }
                }
            }));
            var expired = 0;
            await Task.WhenAll([.. claims, Task.Run(async () =>
            {
                while (expired + claimed.Count < ids.Length && !over.IsCancellationRequested)
                {
                    expired += (await app.Repair.ExpireIfWaitingAsync(5, default)).Written;
                }
            })]);
            foreach (var id in claimed)
            {
                Assert.Equal(1, await app.SucceedAsync(_session, id, 1));
            }

            Assert.Equal(ids.Length, expired + claimed.Count);
            Assert.Equal((0, round * ids.Length), (await app.LiveAsync(), await app.EndedAsync()));
            Assert.Equal(round * ids.Length, await app.ScalarAsync<long>("select count(distinct id) from jobs.history"));
            Assert.Equal(claimed.Count, await app.ScalarAsync<long>("select count(*) from jobs.history where state = 'succeeded' and id = any($1)", ids.Select(i => i.Value).ToArray()));
        }
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task End_that_nobody_told_of_is_told_by_the_sweep()
    {
        await using var app = await TestApp.CreateAsync();
        var parent = await app.Jobs.EnqueueAsync(new Work(1));
        var child = await app.Jobs.EnqueueAsync(new Work(2), new() { After = [parent] });
        var batch = await app.Jobs.CreateBatchAsync();
        var member = await app.Jobs.EnqueueAsync(new Work(3), new() { Batch = batch });
        await app.SqlAsync("update jobs.batch set sealed_at = now() where id = $1", batch.Value); // by the client it would be looked at soon after, maybe only when all has ended
        await app.ClaimAsync(_session, parent);
        await app.ClaimAsync(_session, member);
        Assert.Equal(1, await app.SucceedAsync(_session, parent, 1)); // as a worker that is killed right after this commit
        Assert.Equal(1, await app.SucceedAsync(_session, member, 1));
        Assert.Equal((JobState.Blocked, null), ((await app.GetAsync(child)).State, (await app.Jobs.GetBatchAsync(batch))!.CompletedAt));

        await app.SchedulerAsync();
        await app.InStateAsync(child, JobState.Queued);
        var info = await Eventually.SeeAsync(() => app.Jobs.GetBatchAsync(batch), b => b!.CompletedAt is not null, "the batch is complete", app.Log.Tail);
        Assert.Equal((1, 0), (info!.Succeeded, info.Failed));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Sweep_settles_a_batch_behind_any_number_of_open_ones()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("insert into jobs.batch (id, on_failure) select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '{}' from generate_series(1, 1100) n");
        var batch = await app.Jobs.CreateBatchAsync();
        await app.SqlAsync("update jobs.batch set sealed_at = now() where id = $1", batch.Value);
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.Jobs.GetBatchAsync(batch), b => b!.CompletedAt is not null, "the batch is complete", app.Log.Tail);
    }

    [Fact]
    public async Task Held_key_is_cleared_away_when_its_time_is_over_and_no_sooner()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("insert into jobs.held_key (key, job, until) select 'over' || n, gen_random_uuid(), now() - interval '1 second' from generate_series(1, 2500) n");
        await app.SqlAsync("insert into jobs.held_key (key, job, until) values ('holds', gen_random_uuid(), now() + interval '1 hour')");
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<string>("select string_agg(key, ',') from (select key from jobs.held_key order by key limit 5) k"), k => k == "holds", "one key is left", app.Log.Tail);
    }
}
