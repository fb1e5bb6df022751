using Jobs.Postgres;
using Jobs.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Tests.Engine;

/// <content>How far attempts say they are.</content>
public sealed partial class OutputTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Progress_can_be_seen_while_the_job_runs_and_afterwards()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(async (job, context, ct) =>
        {
            for (var n = 0; n <= 4; n++)
            {
                context.Progress(n, 10, "unpacking");
            }

            var outcome = await gate.RunAsync(job, context, ct);
            context.Progress(10, 10, new string('x', 300));
            return outcome;
        });
        var id = await app.Jobs.EnqueueAsync(new Work());
        var running = await app.SeeAsync(id, j => j.Progress is { Done: 4 }, "its progress");
        Assert.Equal((JobState.Running, 1, 4L, 10L, "unpacking", 40), (running.State, running.Progress!.Attempt, running.Progress.Done, running.Progress.Total, running.Progress.Note, running.Progress.Percent));
        Assert.True(running.Progress.At >= running.StartedAt);
        gate.Open();
        var ended = await app.SeeAsync(id, j => j.EndedAt is not null && j.Progress?.Done == 10, "its last word");
        Assert.Equal((new string('x', 200) + "...", 100), (ended.Progress!.Note, ended.Progress.Percent));
        Assert.Equal(ended.Progress, Assert.Single(await app.Operator.ListAsync(new())).Progress);
        Assert.Null((await app.GetAsync(await app.Jobs.EnqueueAsync(new Work(2)))).Progress);
    }

    [Fact]
    public async Task Lower_attempt_never_overwrites_a_higher_one()
    {
        await using var app = await TestApp.CreateAsync();
        var store = (await app.ProducerAsync()).Services.GetRequiredService<OutputStore>();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await store.PutProgressAsync([new(id.Value, 1, 5, null, "one"), new(id.Value, 2, 1, null, null)], default);
        Assert.Equal((2, 1L, null, null), await SeenAsync());
        await store.PutProgressAsync([new(id.Value, 1, 6, 6, "late")], default);
        Assert.Equal((2, 1L, null, null), await SeenAsync());
        await store.PutProgressAsync([new(id.Value, 2, 2, 3, "two")], default);
        Assert.Equal((2, 2L, 3L, "two"), await SeenAsync());
        await store.PutProgressAsync([.. Enumerable.Range(1, 50).Select(n => new ProgressRow(id.Value, 2, n, null, "in one statement"))], default);
        Assert.Equal((2, 50L, null, "in one statement"), await SeenAsync());

        async Task<(int, long, long?, string?)> SeenAsync() => (await app.GetAsync(id)).Progress is { } p ? (p.Attempt, p.Done, p.Total, p.Note) : default;
    }

    [Fact]
    public async Task Progress_below_zero_is_refused_and_outside_of_a_worker_it_goes_nowhere()
    {
        var context = new JobContext(JobId.New(), "test.work", "default", 16, 1, 0, default);
        Assert.Contains("use 0 or more", Assert.Throws<ArgumentOutOfRangeException>(() => context.Progress(-1)).Message, StringComparison.Ordinal);
        Assert.Contains("use 0 or more", Assert.Throws<ArgumentOutOfRangeException>(() => context.Progress(1, -2)).Message, StringComparison.Ordinal);
        context.Progress(1, 2, "nobody hears it");
        await Task.CompletedTask;
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Progress_is_kept_for_a_week_and_logs_are()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            insert into jobs.progress (job, attempt, done, at) select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 1, now() - case when n <= 5003 then interval '8 days' else interval '6 days' end
            from generate_series(1, 5010) n
            """);
        var young = await app.Jobs.EnqueueAsync(new Work());
        await app.SqlAsync("insert into jobs.progress (job, attempt, done, at) values ($1, 1, 1, now() - interval '8 days')", young.Value);
        var old = await app.ScalarAsync<string>("select to_char((now() - interval '9 days') at time zone 'UTC', 'YYYYMMDD')");
        await app.SqlAsync($"create table jobs.log_p{old} partition of jobs.log for values from ('{old} 00:00:00Z') to (timestamptz '{old} 00:00:00Z' + interval '1 day')");
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.progress"), n => n == 8, "only the young ones are left", app.Log.Tail);
        await Eventually.SeeAsync(() => app.ScalarAsync<bool>($"select to_regclass('jobs.log_p{old}') is null"), gone => gone, "the old lines are gone", app.Log.Tail);
    }
}
