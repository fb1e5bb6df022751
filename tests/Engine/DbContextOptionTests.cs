using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Engine;

/// <summary>What a job in a DbContext may be given, what it may not, and what the context's model and migrations see of it.</summary>
public sealed class DbContextOptionTests : IAsyncLifetime
{
    private TestApp _app = null!;

    public async Task InitializeAsync() => _app = await TestApp.CreateAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Options_reach_the_job()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        var at = new DateTimeOffset(2150, 1, 2, 3, 4, 5, TimeSpan.FromHours(2));
        var id = JobId.New();
        Assert.Equal(id, db.Jobs().Enqueue(new Work(7, "ä"), new()
        {
            Id = id, Queue = "mail", Priority = 31, RunAt = at, Timeout = TimeSpan.FromSeconds(1.5), Expires = TimeSpan.FromHours(1),
            Unique = new() { Key = "k", States = Unique.UntilStarted },
        }));
        var later = db.Jobs().Enqueue(new Other(), new() { Delay = TimeSpan.FromDays(2) });
        await db.SaveChangesAsync();
        var job = await _app.GetAsync(id);
        Assert.Equal(("mail", 31, JobState.Scheduled, at, """{"number":7,"text":"\u00E4"}"""), (job.Queue, job.Priority, job.State, job.DueAt, job.Arguments));
        Assert.True(await _app.ScalarAsync<bool>(
            "select unique_key = 'test.work:k' and unique_waiting and expires_at = enqueued_at + interval '1 h' and timeout = 1.5 from jobs.job where id = $1", id.Value));
        Assert.True(await _app.ScalarAsync<bool>("select due_at = enqueued_at + interval '2 days' and type = 'test.other' from jobs.job where id = $1", later.Value));
    }

    [Fact]
    public async Task Key_is_the_one_that_the_client_makes()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        Unique[] policies = [new() { By = ["number"] }, new() { Key = "k" }, new() { Period = TimeSpan.FromDays(366) }];
        foreach (var unique in policies)
        {
            var first = await _app.Jobs.EnqueueAsync(new Work(1), new() { Unique = unique });
            db.Jobs().Enqueue(new Work(1), new() { Unique = unique });
            db.Jobs().Enqueue(new Work(1), new() { Unique = unique });
            await db.SaveChangesAsync();
            Assert.Equal(first.Value, await _app.ScalarAsync<Guid>("delete from jobs.job returning id"));
        }

        db.Jobs().Enqueue(new Work(2), new() { Unique = policies[1] });
        db.Jobs().Enqueue(new Work(3), new() { Unique = policies[1] });
        await db.SaveChangesAsync();
        Assert.Equal(1, await _app.LiveAsync());
    }

    [Fact]
    public async Task Same_id_twice_before_a_save_is_one_job()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        var id = JobId.New();
        for (var save = 0; save < 2; save++)
        {
            db.Jobs().Enqueue(new Work(1), new() { Id = id });
            db.Jobs().Enqueue(new Work(2), new() { Id = id });
            Assert.Equal(1, await db.SaveChangesAsync());
        }

        Assert.Contains("\"number\":1", (await _app.GetAsync(id)).Arguments, StringComparison.Ordinal);
        Assert.Equal(1, await _app.LiveAsync());
    }

    [Fact]
    public async Task Limit_of_the_arguments_is_that_of_the_process()
    {
        await using var shop = await ShopHost.StartAsync(_app, options: o => o.MaxArgumentBytes = JobsOptions.HardMaxArgumentBytes);
        var db = shop.Context();
        db.Jobs().Enqueue(new Work(1, new string('a', 1_000_000)));
        await db.SaveChangesAsync();
        Assert.Equal(1, await _app.LiveAsync());
        Assert.Throws<JobTooLargeException>(() => db.Jobs().Enqueue(new Work(1, new string('a', JobsOptions.HardMaxArgumentBytes))));
    }

    [Fact]
    public async Task Bad_values_are_refused_at_the_call_and_leave_nothing_to_save()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        Assert.Throws<ArgumentNullException>(() => db.Jobs().Enqueue<Work>(null!));
        Assert.Throws<InvalidOperationException>(() => db.Jobs().Enqueue("not a job"));
        (EnqueueOptions Options, string Words)[] bad =
        [
            (new() { Delay = TimeSpan.FromSeconds(-5) }, "The delay -00:00:05 is not allowed"),
            (new() { RunAt = DateTimeOffset.MaxValue }, "The time 9999-12-31"),
            (new() { Delay = TimeSpan.Zero, RunAt = DateTimeOffset.UnixEpoch }, "Delay and RunAt are both set"),
            (new() { Id = new JobId(Guid.Empty) }, "is not a UUID of version 7"),
            (new() { Timeout = TimeSpan.Zero }, "The timeout 00:00:00 is not allowed"),
            (new() { Expires = TimeSpan.Zero }, "The expiry 00:00:00 is not allowed"),
            (new() { Unique = new() { By = ["nothing"] } }, "have no field \"nothing\""),
        ];
        foreach (var (options, words) in bad)
        {
            Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(() => db.Jobs().Enqueue(new Work(), options)).Message, StringComparison.Ordinal);
        }

        Assert.False(db.ChangeTracker.HasChanges());
    }

    [Fact]
    public async Task Options_that_a_view_cannot_carry_are_refused_with_the_way_that_can()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        (EnqueueOptions Options, string Name)[] refused =
        [
            (new() { After = [JobId.New()] }, "After"),
            (new() { Batch = JobId.New() }, "Batch"),
            (new() { Unique = new() { States = Unique.Always, Period = TimeSpan.FromDays(1) } }, "Unique with the states of ended jobs"),
            (new() { Unique = new() { OnConflict = UniqueConflict.MoveTime } }, "Unique with OnConflict MoveTime"),
            (new() { Unique = new() { OnConflict = UniqueConflict.Refuse } }, "Unique with OnConflict Refuse"),
            (new() { Unique = new() { Key = new string('k', 200), Period = TimeSpan.FromDays(1) } }, "Unique with a Key and a Period that together have over 200 characters"),
        ];
        foreach (var (options, name) in refused)
        {
            var error = Assert.Throws<NotSupportedException>(() => db.Jobs().Enqueue(new Work(), options));
            Assert.StartsWith($"{name} does not go with a job that the DbContext saves. Use IJobClient.EnqueueAsync(job, transaction)", error.Message, StringComparison.Ordinal);
        }

        Assert.False(db.ChangeTracker.HasChanges());
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Migrations_of_the_context_do_not_see_the_view()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var script = shop.Context().Database.GenerateCreateScript();
        Assert.Contains("CREATE TABLE", script, StringComparison.Ordinal);
        Assert.DoesNotContain("outbox", script, StringComparison.OrdinalIgnoreCase);
        await using var elsewhere = new Elsewhere(_app, shop.Scope().ServiceProvider);
        Assert.DoesNotContain(_app.Schema, elsewhere.Database.GenerateCreateScript(), StringComparison.Ordinal);
        elsewhere.Jobs().Enqueue(new Work());
        await elsewhere.SaveChangesAsync();
        Assert.Equal(1, await _app.LiveAsync());
    }

    [Fact]
    public async Task Missing_set_up_is_named()
    {
        await using var services = new ServiceCollection().BuildServiceProvider();
        var options = new DbContextOptionsBuilder().UseNpgsql(_app.Servers.Postgres).ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)); // of the other tests' schemas
        Assert.Equal("UseJobs finds no IJobClient among the services; call services.AddJobs(...) first.",
            Assert.Throws<InvalidOperationException>(() => options.UseJobs(services)).Message);
        await using var db = new DbContext(options.Options);
        Assert.StartsWith("DbContext cannot enqueue jobs: add UseJobs to its options", Assert.Throws<InvalidOperationException>(() => db.Jobs()).Message, StringComparison.Ordinal);
    }

    /// <summary>Knows nothing of the schema of the jobs, and renames all of its own tables.</summary>
    private sealed class Elsewhere(TestApp app, IServiceProvider services) : DbContext
    {
        protected override void OnConfiguring(DbContextOptionsBuilder optionsBuilder) => optionsBuilder.UseNpgsql(app.Servers.Postgres).UseJobs(services)
            .ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning));

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity<Order>().HasKey(o => o.Number);
            foreach (var entity in modelBuilder.Model.GetEntityTypes())
            {
                entity.SetTableName("my_" + entity.GetTableName());
            }
        }
    }
}
