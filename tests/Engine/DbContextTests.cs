using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>
/// Jobs in a DbContext: they run if and only if what saves them commits. No scheduler runs unless a test says so: what runs was dispatched after the commit.
/// </summary>
public sealed class DbContextTests : IAsyncLifetime
{
    private TestApp _app = null!;

    public async Task InitializeAsync()
    {
        _app = await TestApp.CreateAsync();
        await _app.WorkerAsync(Runs.Done);
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Save_writes_rows_and_jobs_together_and_the_jobs_run()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        db.Orders.Add(new Order { Number = 1 });
        JobId[] ids = [db.Jobs().Enqueue(new Work(1)), db.Jobs().Enqueue(new Work(2))];
        Assert.Equal(0, await _app.LiveAsync());
        Assert.Equal(3, await db.SaveChangesAsync());
        await _app.AllEndedAsync(2);
        Assert.Equal([1, 2], _app.Runs.Select(r => r.Job.Number).Order());
        Assert.Equal(ids.Order(Comparer), _app.Runs.Select(r => r.Context.Id).Order(Comparer));
        Assert.Equal(1, await OrdersAsync());
    }

    [Fact]
    public async Task Job_alone_is_a_change_to_save()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        var id = db.Jobs().Enqueue(new Work(1));
        Assert.True(db.ChangeTracker.HasChanges());
        await db.SaveChangesAsync();
        await _app.EndedAsync(id);
    }

    [Fact]
    public async Task Save_that_does_not_wait_dispatches_too()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        var implicitly = db.Jobs().Enqueue(new Work(1));
#pragma warning disable MA0042 // the synchronous calls are what is tested
        db.SaveChanges();
        using var transaction = db.Database.BeginTransaction();
        var explicitly = db.Jobs().Enqueue(new Work(2));
        db.SaveChanges();
        transaction.Commit();
#pragma warning restore MA0042
        await _app.EndedAsync(implicitly);
        await _app.EndedAsync(explicitly);
    }

    [Fact]
    public async Task Jobs_of_an_explicit_transaction_run_after_its_commit()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        await using var transaction = await db.Database.BeginTransactionAsync();
        var first = db.Jobs().Enqueue(new Work(1));
        await db.SaveChangesAsync();
        db.Orders.Add(new Order { Number = 1 });
        var second = db.Jobs().Enqueue(new Work(2));
        await db.SaveChangesAsync();
        Assert.Null(await _app.Jobs.GetAsync(first));
        await transaction.CommitAsync();
        await _app.EndedAsync(first);
        await _app.EndedAsync(second);
    }

    [Fact]
    public async Task Rollback_leaves_nothing_and_the_context_goes_on()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        await using (var transaction = await db.Database.BeginTransactionAsync())
        {
            db.Jobs().Enqueue(new Work(1));
            await db.SaveChangesAsync();
            await transaction.RollbackAsync();
        }

        await using (await db.Database.BeginTransactionAsync())
        {
            db.Jobs().Enqueue(new Work(2));
            await db.SaveChangesAsync();
        }

        Assert.Equal(0, await _app.LiveAsync());
        await _app.EndedAsync(await SaveAsync(db, new Work(3)));
        Assert.Equal(3, Assert.Single(_app.Runs).Job.Number);
    }

    [Fact]
    public async Task Save_that_fails_leaves_nothing_and_can_be_repeated()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        await _app.SqlAsync("insert into jobs.order values (1, '')");
        var order = new Order { Number = 1 };
        db.Orders.Add(order);
        var id = db.Jobs().Enqueue(new Work(1));
        await Assert.ThrowsAsync<DbUpdateException>(() => db.SaveChangesAsync());
        Assert.Equal(0, await _app.LiveAsync());

        db.Orders.Entry(order).State = EntityState.Detached;
        await db.SaveChangesAsync();
        await _app.EndedAsync(id);
        Assert.Single(_app.Runs);
    }

    [Fact]
    public async Task Jobs_of_several_contexts_in_one_transaction_run_after_its_commit()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        await using var connection = await _app.ConnectAsync();
        var (one, two) = (shop.Context(), shop.Context());
        one.Database.SetDbConnection(connection);
        two.Database.SetDbConnection(connection);
        await using var transaction = await one.Database.BeginTransactionAsync();
        await two.Database.UseTransactionAsync(transaction.GetDbTransaction());
        var first = await SaveAsync(one, new Work(1));
        var second = await SaveAsync(two, new Work(2));
        Assert.Equal(0, await _app.LiveAsync());
        await transaction.CommitAsync();
        await _app.EndedAsync(first);
        await _app.EndedAsync(second);
    }

    [Fact]
    public async Task Commit_that_no_context_sees_is_left_to_the_scheduler()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        await using var connection = await _app.ConnectAsync();
        var db = shop.Context();
        db.Database.SetDbConnection(connection);
        await using var transaction = await connection.BeginTransactionAsync();
        await db.Database.UseTransactionAsync(transaction);
        var id = await SaveAsync(db, new Work(1));
        await transaction.CommitAsync();
        Assert.Equal(JobState.Pending, (await _app.GetAsync(id)).State);
        await _app.SchedulerAsync();
        await _app.EndedAsync(id);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("before", 1)]
    [InlineData("after", 1)] // a lone insert commits by itself: the repetition meets its own job
    [InlineData("commit", 2)]
    public async Task Retried_save_makes_each_job_once(string place, int jobs)
    {
        var fault = new FaultOnce(place);
        await using var shop = await ShopHost.StartAsync(_app, retries: true, faults: fault);
        var db = shop.Context();
        for (var i = 0; i < jobs; i++)
        {
            db.Jobs().Enqueue(new Work(i));
        }

        await db.SaveChangesAsync();
        Assert.True(fault.Happened);
        await _app.AllEndedAsync(jobs);
        Assert.Equal(jobs, _app.Runs.Count);
        Assert.Empty(db.ChangeTracker.Entries());
    }

    [Fact]
    public async Task Transaction_that_a_strategy_repeats_makes_each_job_once()
    {
        var fault = new FaultOnce("before");
        await using var shop = await ShopHost.StartAsync(_app, retries: true, faults: fault);
        var db = shop.Context();
        var id = db.Jobs().Enqueue(new Work(1));
        db.Orders.Add(new Order { Number = 1 });
        await db.Database.CreateExecutionStrategy().ExecuteInTransactionAsync(db,
            (context, ct) => context.SaveChangesAsync(acceptAllChangesOnSuccess: false, ct),
            (context, ct) => context.Orders.AsNoTracking().AnyAsync(o => o.Number == 1, ct));
        db.ChangeTracker.AcceptAllChanges();
        Assert.True(fault.Happened);
        await _app.EndedAsync(id);
        await _app.EndedAsync(await SaveAsync(db, new Work(2)));
        await _app.AllEndedAsync(2);
        Assert.Equal([1, 2], _app.Runs.Select(r => r.Job.Number));
        Assert.IsType<Order>(Assert.Single(db.ChangeTracker.Entries()).Entity);
    }

    [Fact]
    public async Task Context_that_lives_long_does_not_grow()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        for (var i = 0; i < 5; i++)
        {
            await SaveAsync(db, new Work(i));
            Assert.Empty(db.ChangeTracker.Entries());
        }

        await using var transaction = await db.Database.BeginTransactionAsync();
        await SaveAsync(db, new Work(5));
        Assert.Empty(db.ChangeTracker.Entries());
        await transaction.CommitAsync();
        await _app.AllEndedAsync(6);
    }

    [Fact]
    public async Task What_the_context_forgets_is_not_enqueued()
    {
        await using var shop = await ShopHost.StartAsync(_app, pool: true);
        var named = JobId.New();
        await using (var scope = shop.Scope())
        {
            var db = scope.ServiceProvider.GetRequiredService<Shop>();
            db.Jobs().Enqueue(new Work(1), new() { Id = named });
            db.ChangeTracker.Clear();
            Assert.Equal(0, await db.SaveChangesAsync());
            db.Jobs().Enqueue(new Work(2), new() { Id = named }); // cleared, so not there already
            Assert.Equal(1, await db.SaveChangesAsync());
            db.Jobs().Enqueue(new Work(3)); // not saved before the context goes back to its pool
        }

        await using (var scope = shop.Scope())
        {
            Assert.Equal(0, await scope.ServiceProvider.GetRequiredService<Shop>().SaveChangesAsync());
        }

        await _app.AllEndedAsync(1);
        Assert.Equal(2, Assert.Single(_app.Runs).Job.Number);
    }

    [Fact]
    public async Task Dispatch_that_fails_does_not_fail_the_save()
    {
        await using var shop = await ShopHost.StartAsync(_app, services: s => s.AddSingleton(BrokenClient.Create()));
        var db = shop.Context();
        var id = await SaveAsync(db, new Work(1));
        Assert.Contains("1 jobs of a DbContext were committed", Assert.Single(_app.Log.Of(1900)).Text, StringComparison.Ordinal);
        Assert.Equal(JobState.Pending, (await _app.GetAsync(id)).State);
    }

    private async Task<long> OrdersAsync() => await _app.ScalarAsync<long>("select count(*) from jobs.order");

    private static async Task<JobId> SaveAsync(Shop db, Work work)
    {
        var id = db.Jobs().Enqueue(work);
        await db.SaveChangesAsync();
        return id;
    }

    private static Comparer<JobId> Comparer { get; } = Comparer<JobId>.Create((a, b) => a.Value.CompareTo(b.Value));
}
