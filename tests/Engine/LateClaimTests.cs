using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>Claims that do not go as they should: what they claim runs all the same.</summary>
public sealed class LateClaimTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Claim_whose_answer_is_lost_and_that_commits_only_while_it_is_repeated_runs_its_jobs()
    {
        await using var app = await TestApp.CreateAsync();
        await using var wire = new Wire(app.Servers.Postgres);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 3).Select(n => new Work(n)));
        await using var holder = await app.ConnectAsync();
        await using (var transaction = await holder.BeginTransactionAsync())
        {
            await using var hold = new NpgsqlCommand(app.InSchema("select id from jobs.job order by id for update"), holder, transaction);
            await hold.ExecuteNonQueryAsync();
            await app.WorkerAsync(Runs.Done, options: o => o.Postgres = wire.ConnectionString);
            wire.Cut(Assert.Single(await WaitingAsync(app, 1)));
            Assert.Equal(2, (await WaitingAsync(app, 2)).Length); // the first one is not known to the worker any more, and is the first in line
        }

        await app.AllEndedAsync(3);
        Assert.Equal([0, 1, 2], app.Runs.Select(r => r.Job.Number).Order());
        Assert.All(app.Runs, r => Assert.Equal(1, r.Context.Attempt));
        Assert.Single(app.Log.Of(1411));
    }

    [Fact]
    public async Task Release_that_fails_leaves_what_was_claimed_beside_it_to_run()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            create function jobs.refuse() returns trigger language plpgsql as $$ begin raise exception 'made up'; end $$;
            create trigger refuse before update on jobs.job for each row when (old.state = 'queued' and new.state = 'scheduled') execute function jobs.refuse();
            """);
        await app.Jobs.EnqueueAsync(new Other());
        await app.Jobs.EnqueueAsync(new Work());
        await app.WaitForTicketsAsync("default", 2);
        await app.WorkerAsync(Runs.Done);
        await app.SeeAsync(() => app.Runs.Count == 1, "the job runs");
        await app.LoggedAsync(1413);
        Assert.Empty(app.Log.Of(1410));
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.job where state = 'queued' and type = 'test.other'"));
    }

    /// <summary>Where from those connections come whose claim waits for a lock.</summary>
    private static Task<int[]> WaitingAsync(TestApp app, int count) => Eventually.SeeAsync(
        async () => await app.ScalarAsync<int[]?>(
            $"select array_agg(client_port) from pg_stat_activity where wait_event_type = 'Lock' and query like '/* {app.Schema}:claim_if_queued */%'") ?? [],
        ports => ports.Length == count, $"{count} claims wait", app.Log.Tail);
}
