namespace Jobs.Tests.Engine;

/// <summary>A set of jobs with callbacks.</summary>
public sealed class BatchTests
{
    private static BatchOptions Callbacks => new() { OnSuccess = new Work(-1, "success"), OnFailure = new Work(-1, "failure"), OnCompletion = new Work(-1, "completion") };

    private static Task<JobOutcome> FailNegatives(Work job, JobContext context, CancellationToken ct) =>
        Task.FromResult(job is { Number: < 0, Text: "" } ? JobOutcome.FailNow("no") : JobOutcome.Succeeded);

    private static IEnumerable<string> Called(TestApp app) => app.Runs.Select(r => r.Job.Text).Where(t => t.Length > 0).Order(StringComparer.Ordinal);

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Batch_filled_in_several_calls_completes_once_after_it_is_sealed()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 20);
        var batch = await app.Jobs.CreateBatchAsync(Callbacks);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 300).Select(n => new Work(n)), _ => new() { Batch = batch });
        await app.Jobs.EnqueueAsync(new Work(1), new() { Batch = batch });
        await app.AllEndedAsync(301);
        Assert.Null((await app.Jobs.GetBatchAsync(batch))!.CompletedAt);
        await app.Jobs.SealBatchAsync(batch);
        await app.AllEndedAsync(303);
        var info = (await app.Jobs.GetBatchAsync(batch))!;
        Assert.Equal((301, 301, 0, 0), (info.Total, info.Succeeded, info.Failed, info.Live));
        Assert.NotNull(info.CompletedAt);
        Assert.Null(info.FailedAt);
        Assert.Equal(["completion", "success"], Called(app));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Failure_calls_back_at_once_and_success_never()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(FailNegatives);
        var batch = await app.Jobs.CreateBatchAsync(Callbacks);
        await app.Jobs.EnqueueManyAsync([new Work(-1), new Work(-2), new Work(3)], _ => new() { Batch = batch });
        await app.SeeAsync(() => Called(app).Contains("failure"), "the callback on failure ran");
        Assert.Null((await app.Jobs.GetBatchAsync(batch))!.SealedAt);
        await app.Jobs.SealBatchAsync(batch);
        await app.AllEndedAsync(5);
        var info = (await app.Jobs.GetBatchAsync(batch))!;
        Assert.Equal((1, 2), (info.Succeeded, info.Failed));
        Assert.Equal(["completion", "failure"], Called(app));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Failure_that_nobody_saw_before_the_end_is_called_back_with_it()
    {
        await using var app = await TestApp.CreateAsync();
        var batch = await app.Jobs.CreateBatchAsync(Callbacks);
        var id = await app.Jobs.EnqueueAsync(new Work(-1), new() { Batch = batch });
        var session = Guid.CreateVersion7();
        var claimed = Assert.Single(await app.ClaimAsync(session, id));
        Assert.Equal(1, await app.EndAsync(session, id, claimed.Attempt)); // by a worker that died before it told anybody
        await app.SqlAsync("update jobs.batch set sealed_at = now()");
        await app.SqlAsync(Statement(app, "complete_batches"), new[] { batch.Value });
        await app.WorkerAsync(Runs.Done);
        await app.SchedulerAsync();
        await app.AllEndedAsync(3);
        Assert.NotNull((await app.Jobs.GetBatchAsync(batch))!.FailedAt);
        Assert.Equal(["completion", "failure"], Called(app));
    }

    private static string Statement(TestApp app, string name) => new Jobs.Postgres.Statements(app.Schema)[name];

    [Fact]
    public async Task Empty_batch_completes_when_it_is_sealed()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var batch = await app.Jobs.CreateBatchAsync(Callbacks);
        await app.Jobs.SealBatchAsync(batch);
        await app.AllEndedAsync(2);
        Assert.Equal(["completion", "success"], Called(app));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Many_batches_that_end_on_several_workers_complete_once_each()
    {
        await using var app = await TestApp.CreateAsync();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => app.WorkerAsync(Runs.Done, concurrency: 10)));
        const int Batches = 40;
        await Task.WhenAll(Enumerable.Range(0, Batches).Select(async _ =>
        {
            var batch = await app.Jobs.CreateBatchAsync(new() { OnCompletion = new Work(-1, "completion") });
            await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 20).Select(n => new Work(n)), _ => new() { Batch = batch });
            await app.Jobs.SealBatchAsync(batch);
        }));
        await app.AllEndedAsync((20 + 1) * Batches);
        Assert.Equal(Batches, Called(app).Count());
        Assert.Equal(Batches, await app.ScalarAsync<long>("select count(*) from jobs.batch where completed_at is not null and succeeded = 20 and failed = 0"));
    }

    [Fact]
    public async Task Sealed_or_unknown_batch_takes_no_jobs()
    {
        await using var app = await TestApp.CreateAsync();
        var batch = await app.Jobs.CreateBatchAsync();
        await app.Jobs.SealBatchAsync(batch);
        foreach (var id in new[] { batch, JobId.New() })
        {
            var e = await Assert.ThrowsAsync<JobsException>(() => app.Jobs.EnqueueAsync(new Work(), new() { Batch = id }));
            Assert.Contains($"Batch {id} takes no jobs", e.Message);
        }

        var unknown = await Assert.ThrowsAsync<JobsException>(() => app.Jobs.SealBatchAsync(JobId.New()));
        Assert.Contains("There is no batch", unknown.Message);
        Assert.Equal(0, await app.LiveAsync());
    }

    [Fact]
    public async Task Sealing_waits_for_an_enqueue_that_is_under_way()
    {
        await using var app = await TestApp.CreateAsync();
        var batch = await app.Jobs.CreateBatchAsync();
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await app.Jobs.EnqueueAsync(new Work(), transaction, new() { Batch = batch });
        var sealing = app.Jobs.SealBatchAsync(batch);
        await app.SeeAsync(() => app.ScalarAsync<long>("select count(*) from pg_locks where not granted and pid <> pg_backend_pid()").GetAwaiter().GetResult() > 0, "the seal waits for the enqueue");
        Assert.False(sealing.IsCompleted);
        await transaction.CommitAsync();
        await sealing;
        Assert.Equal(1, (await app.Jobs.GetBatchAsync(batch))!.Live);
    }

    [Fact]
    public async Task Callback_that_is_not_a_job_is_refused_when_the_batch_is_made()
    {
        await using var app = await TestApp.CreateAsync();
        var e = await Assert.ThrowsAsync<InvalidOperationException>(() => app.Jobs.CreateBatchAsync(new() { OnSuccess = "text" }));
        Assert.Contains("String is not a job: it has no [Job] attribute", e.Message);
    }
}
