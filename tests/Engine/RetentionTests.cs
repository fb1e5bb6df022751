using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>History by partitions: made ahead, made in need, and dropped by age while jobs run.</summary>
public sealed class RetentionTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Partitions_that_are_too_old_are_dropped_while_jobs_run()
    {
        await using var app = await TestApp.CreateAsync();
        var expired = new[] { await PastAsync(app, "succeeded", 40), await PastAsync(app, "succeeded", 9), await PastAsync(app, "other", 120) };
        var kept = new[] { await PastAsync(app, "succeeded", 5), await PastAsync(app, "other", 60) };
        await app.WorkerAsync(Runs.InOrder(() => JobOutcome.Succeeded));
        var jobs = app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 1000).Select(n => new Work(n)));
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => PartitionsAsync(app), p => !p.Intersect(expired).Any(), "the old partitions are gone", app.Log.Tail);
        await jobs;
        await Eventually.SeeAsync(app.LiveAsync, n => n == 0, "all have ended", app.Log.Tail);
        Assert.Equal(kept.Order(), (await PartitionsAsync(app)).Intersect(kept).Order());
        Assert.Equal(1000 + kept.Length, await app.EndedAsync());
        Assert.Equal(1000, app.Runs.Count);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Days_to_keep_can_be_set()
    {
        await using var app = await TestApp.CreateAsync();
        var (succeeded, other) = (await PastAsync(app, "succeeded", 40), await PastAsync(app, "other", 40));
        var kept = await PastAsync(app, "succeeded", 20);
        await app.SchedulerAsync(s => (s.KeepSucceededDays, s.KeepOthersDays) = (30, 7));
        await Eventually.SeeAsync(() => PartitionsAsync(app), p => !p.Contains(succeeded) && !p.Contains(other), "the old partitions are gone", app.Log.Tail);
        Assert.Contains(kept, await PartitionsAsync(app));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Occurrences_of_schedules_are_kept_for_ninety_days()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            insert into jobs.occurrence (schedule, at, reason, recorded_at)
            select 's', now() - n * interval '1 second', 'for the test', now() - case when n <= 6000 then interval '91 days' else interval '89 days' end from generate_series(1, 6010) n
            """);
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.occurrence"), n => n == 10, "only the young ones are left", app.Log.Tail);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_a_crash_left_half_detached_or_not_dropped_is_cleaned_up()
    {
        await using var app = await TestApp.CreateAsync();
        var (half, detached) = (await PastAsync(app, "succeeded", 30), await PastAsync(app, "succeeded", 20));
        await app.SqlAsync($"alter table jobs.history_succeeded detach partition jobs.{detached}");
        await using (var reader = await app.ConnectAsync())
        {
            // Somebody reads history, so the detaching waits in its second half; there it is interrupted.
            await using var transaction = await reader.BeginTransactionAsync();
            await new NpgsqlCommand(app.InSchema("select count(*) from jobs.history"), reader, transaction).ExecuteNonQueryAsync();
            await using var interrupted = await app.ConnectAsync();
            await new NpgsqlCommand("set statement_timeout = 300", interrupted).ExecuteNonQueryAsync();
            var detach = new NpgsqlCommand(app.InSchema($"alter table jobs.history_succeeded detach partition jobs.{half} concurrently"), interrupted);
            Assert.Equal(PostgresErrorCodes.QueryCanceled, (await Assert.ThrowsAsync<PostgresException>(() => detach.ExecuteNonQueryAsync())).SqlState);
        }

        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from pg_inherits where inhdetachpending and inhparent = 'jobs.history_succeeded'::regclass"));
        Assert.Contains(detached, await PartitionsAsync(app));

        Assert.Equal(3, (await app.Repair.DropExpiredAsync(7, 90, default)).Count);
        var left = await PartitionsAsync(app);
        Assert.DoesNotContain(half, left);
        Assert.DoesNotContain(detached, left);
        Assert.Empty(await app.Repair.DropExpiredAsync(7, 90, default));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Partitions_are_made_ahead_once_however_many_ask()
    {
        await using var app = await TestApp.CreateAsync(migrate: false);
        await app.ProducerAsync();
        Assert.Equal(0, await app.Repair.MakePartitionsAsync(14, default)); // the migrations have made them
        var made = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => app.Repair.MakePartitionsAsync(21, default)));
        Assert.Equal(7 + 1, made.Sum()); // a week of days, and a week
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Missing_partition_is_made_by_whoever_has_to_record_an_end()
    {
        await using var app = await TestApp.CreateAsync();
        foreach (var partition in await PartitionsAsync(app))
        {
            await app.SqlAsync($"drop table jobs.{partition}");
        }

        await app.WorkerAsync((job, _, _) => Task.FromResult(job.Number == 1 ? JobOutcome.FailNow("no") : JobOutcome.Succeeded));
        var (succeeded, failed) = (await app.Jobs.EnqueueAsync(new Work(0)), await app.Jobs.EnqueueAsync(new Work(1)));
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(succeeded)).State);
        Assert.Equal(JobState.Failed, (await app.EndedAsync(failed)).State);
        Assert.NotEmpty(await PartitionsAsync(app));
        Assert.Equal(2, app.Runs.Count);
    }

    /// <summary>A partition of so many days ago with one ended job in it.</summary>
    private static async Task<string> PastAsync(TestApp app, string kind, int daysAgo)
    {
        var start = await app.ScalarAsync<string>($"select to_char(date_trunc($1, now(), 'UTC') at time zone 'UTC' - $2 * interval '1 day', 'YYYYMMDD')",
            kind == "other" ? "week" : "day", daysAgo);
        var (parent, name, length) = ($"history_{kind}", $"history_{kind}_p{start}", kind == "other" ? 7 : 1);
        await app.SqlAsync($"""
            create table jobs.{name} (like jobs.{parent} including defaults including constraints);
            alter table jobs.{parent} attach partition jobs.{name} for values from ('{start} 00:00:00Z') to (timestamptz '{start} 00:00:00Z' + interval '{length} days');
            insert into jobs.history (id, enqueued_at, ended_at, state, attempt, failures, crashes, priority, queue, type, args)
              values (gen_random_uuid(), '{start} 00:00:00Z', '{start} 01:00:00Z', '{(kind == "other" ? "failed" : "succeeded")}', 1, 0, 0, 16, 'default', 'test.work', 'null')
            """);
        return name;
    }

    /// <summary>The dated tables, attached or not.</summary>
    private static async Task<string[]> PartitionsAsync(TestApp app) => await app.ScalarAsync<string[]?>(
        "select array_agg(relname::text order by relname) from pg_class where relnamespace = $1::regnamespace and relkind = 'r' and relname ~ '_p[0-9]{8}$'", app.Schema) ?? [];
}
