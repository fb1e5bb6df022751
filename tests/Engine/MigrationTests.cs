using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Engine;

/// <summary>The schema: brought up to date by one, refused when it is not what this program knows.</summary>
public sealed class MigrationTests
{
    private static readonly int Known = Statements.Files("Migrations/").Count();

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Many_migrators_at_once_apply_each_migration_once()
    {
        await using var app = await TestApp.CreateAsync(migrate: false);
        var hosts = Enumerable.Range(0, 6).Select(_ => app.Build(_ => { })).ToList();
        await Task.WhenAll(hosts.Select(h => Task.Run(() => h.Services.GetRequiredService<Database>().ReadyAsync(default))));
        Assert.Equal(Enumerable.Range(1, Known), await app.ScalarAsync<int[]>("select array_agg(version order by version) from jobs.migration"));
        Assert.Equal(Known, app.Log.Of(1001).Count());
        await DisposeAsync([.. hosts]);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Start_of_a_process_brings_the_schema_up_to_date()
    {
        await using var app = await TestApp.CreateAsync(migrate: false);
        await app.ProducerAsync();
        Assert.Equal(Known, await app.ScalarAsync<int>("select max(version) from jobs.migration"));
        Assert.Equal(0, await app.LiveAsync());
    }

    [Fact]
    public async Task Schema_that_is_newer_than_the_program_stops_the_start()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("insert into jobs.migration (version, name) values ($1, 'from the future')", Known + 1);
        var host = app.Build(_ => { });
        var error = await Assert.ThrowsAsync<JobsException>(() => host.StartAsync());
        Assert.Equal($"Schema \"{app.Schema}\" is at version {Known + 1}; this program knows {Known}. Deploy a program at least as new as the schema.", error.Message);
        await DisposeAsync(host);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Program_that_may_not_migrate_says_so_and_works_once_another_has()
    {
        await using var app = await TestApp.CreateAsync(migrate: false);
        var host = app.Build(_ => { }, o => o.MigrateAtStart = false);
        var jobs = host.Services.GetRequiredService<IJobClient>();
        var expected = $"Schema \"{app.Schema}\" is at version 0, this program needs {Known}, and MigrateAtStart is off. Run `jobs migrate` first.";
        Assert.Equal(expected, (await Assert.ThrowsAsync<JobsException>(() => jobs.EnqueueAsync(new Work()))).Message);
        Assert.Equal(expected, (await Assert.ThrowsAsync<JobsException>(() => host.StartAsync())).Message);
        Assert.False(await app.ScalarAsync<bool>("select exists (select from pg_namespace where nspname = $1)", app.Schema));

        await app.ProducerAsync();
        Assert.Equal(JobState.Queued, (await app.GetAsync(await jobs.EnqueueAsync(new Work()))).State);
        await DisposeAsync(host);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Installations_beside_each_other_do_not_see_each_other()
    {
        await using var one = await TestApp.CreateAsync();
        await using var two = await TestApp.CreateAsync();
        await two.WorkerAsync(Runs.Done);
        await two.SchedulerAsync();
        var mine = await one.Jobs.EnqueueAsync(new Work(1));
        await two.EndedAsync(await two.Jobs.EnqueueAsync(new Work(2)));
        Assert.Null(await two.Jobs.GetAsync(mine));
        Assert.Equal(JobState.Queued, (await one.GetAsync(mine)).State);
        Assert.Empty(await one.Operator.SessionsAsync());
        Assert.Equal(2, Assert.Single(two.Runs).Job.Number);
    }

    private static async Task DisposeAsync(params IHost[] hosts)
    {
        foreach (var host in hosts)
        {
            await ((IAsyncDisposable)host).DisposeAsync();
        }
    }
}
