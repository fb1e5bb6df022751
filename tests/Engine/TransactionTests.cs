using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>Enqueue in the caller's own transaction: it runs if and only if that commits.</summary>
public sealed class TransactionTests
{
    [Fact]
    public async Task Job_of_an_open_transaction_is_not_there_yet()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), transaction);
        Assert.Null(await app.Jobs.GetAsync(id));
        Assert.Equal(0, await app.Jobs.DispatchAsync([id]));
        await transaction.CommitAsync();
        Assert.Equal(JobState.Pending, (await app.GetAsync(id)).State);
        Assert.Empty(app.Runs);
    }

    [Fact]
    public async Task Pending_job_is_dispatched_at_once_by_a_call_after_the_commit()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var ids = await CommitAsync(app, 3);
        Assert.Equal(3, await app.Jobs.DispatchAsync(ids));
        await app.AllEndedAsync(3);
        Assert.Equal(3, app.Runs.Count);
    }

    [Fact]
    public async Task Pending_job_is_dispatched_by_the_scheduler_when_nobody_calls()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await app.SchedulerAsync();
        await CommitAsync(app, 3);
        await app.AllEndedAsync(3);
        Assert.Equal(3, app.Runs.Count);
    }

    [Fact]
    public async Task Rollback_leaves_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("create table jobs.mine (id uuid)");
        await using (var connection = await app.ConnectAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await new NpgsqlCommand(app.InSchema("insert into jobs.mine values (gen_random_uuid())"), connection, transaction).ExecuteNonQueryAsync();
            var id = await app.Jobs.EnqueueAsync(new Work(), transaction);
            await transaction.RollbackAsync();
            Assert.Equal(0, await app.Jobs.DispatchAsync([id]));
        }

        Assert.Equal((0, 0, 0), (await app.LiveAsync(), await app.EndedAsync(), await app.ScalarAsync<long>("select count(*) from jobs.mine")));
    }

    [Fact]
    public async Task Delayed_job_of_a_transaction_waits_for_its_time_and_not_for_a_dispatch()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), transaction, new() { Delay = TimeSpan.FromHours(1) });
        await transaction.CommitAsync();
        Assert.Equal(0, await app.Jobs.DispatchAsync([id]));
        Assert.Equal(JobState.Scheduled, (await app.GetAsync(id)).State);
    }

    [Fact]
    public async Task Same_id_again_in_a_transaction_makes_one_job_even_after_its_end()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var id = JobId.New();
        for (var i = 0; i < 3; i++)
        {
            await using var connection = await app.ConnectAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(), transaction, new() { Id = id }));
            await transaction.CommitAsync();
            Assert.Equal(i == 0 ? 1 : 0, await app.Jobs.DispatchAsync([id]));
            await app.AllEndedAsync(1);
        }

        Assert.Single(app.Runs);
    }

    [Fact]
    public async Task Finished_transaction_is_refused()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.ConnectAsync();
        var transaction = await connection.BeginTransactionAsync();
        await transaction.CommitAsync();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => app.Jobs.EnqueueAsync(new Work(), transaction));
        Assert.Contains("ransaction", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentNullException>(() => app.Jobs.EnqueueAsync(new Work(), transaction: null!));
        Assert.Equal(0, await app.LiveAsync());
    }

    [Fact]
    public async Task Dispatch_is_harmless_for_any_other_job()
    {
        await using var app = await TestApp.CreateAsync();
        var queued = await app.Jobs.EnqueueAsync(new Work());
        var scheduled = await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        var running = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(Guid.NewGuid(), running);
        JobId[] ids = [queued, scheduled, running];
        var before = await Task.WhenAll(ids.Select(app.RowAsync));
        Assert.Equal(0, await app.Jobs.DispatchAsync([.. ids, JobId.New()]));
        Assert.Equal(before, await Task.WhenAll(ids.Select(app.RowAsync)));
    }

    private static async Task<List<JobId>> CommitAsync(TestApp app, int count)
    {
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var ids = new List<JobId>();
        for (var i = 0; i < count; i++)
        {
            ids.Add(await app.Jobs.EnqueueAsync(new Work(i), transaction));
        }

        await transaction.CommitAsync();
        return ids;
    }
}
