using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Engine;

/// <summary>Rates: what ended is summed in windows, once, by whoever leads, and read from there.</summary>
public sealed class ThroughputTests : IAsyncLifetime
{
    private TestApp _app = null!;
    private IHost _host = null!;

    private ThroughputStore Store => _host.Services.GetRequiredService<ThroughputStore>();

    public async Task InitializeAsync()
    {
        _app = await TestApp.CreateAsync();
        await _app.EarlierAsync();
        _host = _app.Build(_ => { });
    }

    public async Task DisposeAsync()
    {
        _host.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Leader_sums_what_ended_by_queue_and_end_with_waits_and_runs()
    {
        await EndedAsync(6, secondsAgo: 120, wait: 3, run: 0.5);
        await EndedAsync(3, secondsAgo: 120, wait: 1, run: 2, state: "failed");
        await EndedAsync(4, secondsAgo: 500, wait: 9, run: 9, queue: "mail");
        await EndedAsync(2, secondsAgo: 120, wait: 7, run: null, state: "cancelled");
        await EndedAsync(5, secondsAgo: 2000, wait: 1, run: 1);
        await _app.SchedulerAsync();
        var queues = await Eventually.SeeAsync(() => _app.Operator.QueuesAsync(), q => q.Count == 2, "both queues", _app.Log.Tail);
        var (rates, mail) = (queues[0].Rates, queues[1].Rates);
        Assert.Equal(["default", "mail"], queues.Select(q => q.Name));
        Assert.Equal(new EndRate(6, 6 / 300.0, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(0.5)), rates.LastFiveMinutes[JobState.Succeeded]);
        Assert.Equal(new EndRate(3, 3 / 300.0, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)), rates.LastFiveMinutes[JobState.Failed]);
        Assert.Equal(new EndRate(2, 2 / 300.0, TimeSpan.FromSeconds(7), TimeSpan.Zero), rates.LastFiveMinutes[JobState.Cancelled]);
        Assert.Equal((0, 3), (rates.LastMinute.Count, rates.LastFifteenMinutes.Count));
        Assert.Empty(mail.LastFiveMinutes);
        Assert.Equal(new EndRate(4, 4 / 900.0, TimeSpan.FromSeconds(9), TimeSpan.FromSeconds(9)), mail.LastFifteenMinutes[JobState.Succeeded]);
    }

    [Fact]
    public async Task Window_is_summed_once_whoever_sums_it()
    {
        await EndedAsync(3, secondsAgo: 60, wait: 1, run: 1);
        var (from, to) = await WindowAsync(secondsAgo: 60);
        await Store.SumAsync(from, to, default);
        await EndedAsync(2, secondsAgo: 60, wait: 1, run: 1, at: from); // not in the next window, which may have begun
        await EndedAsync(1, secondsAgo: 60, wait: 1, run: 1, queue: "late", at: from);
        await Store.SumAsync(from, to, default);
        Assert.Equal(["default 3", "late 1"], await _app.ScalarAsync<string[]>("select array_agg(queue || ' ' || n order by queue) from jobs.throughput"));
    }

    [Fact]
    public async Task Windows_are_taken_from_where_the_last_leader_stopped_a_minute_at_a_time_and_from_15_minutes_ago_at_most()
    {
        var (from, to, next) = await Store.ClosedWindowsAsync(null, default);
        Assert.Equal((TimeSpan.FromMinutes(1), 0), (to - from, from.ToUnixTimeSeconds() % 10));
        Assert.InRange(next, TimeSpan.FromSeconds(0), TimeSpan.FromSeconds(10));
        Assert.Equal(from, (await Store.ClosedWindowsAsync(from.AddDays(-1), default)).From, TimeSpan.FromMinutes(1));
        await EndedAsync(1, secondsAgo: 100, wait: 0, run: 0);
        var window = await WindowAsync(secondsAgo: 100);
        await Store.SumAsync(window.From, window.To, default);
        Assert.Equal(window.From.AddSeconds(10), (await Store.ClosedWindowsAsync(from, default)).From);
        Assert.Equal(window.From.AddSeconds(30), (await Store.ClosedWindowsAsync(window.From.AddSeconds(30), default)).From);
        var over = await Store.ClosedWindowsAsync(window.To.AddHours(1), default);
        Assert.Equal(over.From, over.To);
    }

    [Fact]
    public async Task Windows_are_kept_for_a_day()
    {
        await _app.SqlAsync("insert into jobs.throughput select 'default', 'succeeded', now() - make_interval(hours => h), h, 0, 0 from unnest('{1,23,25}'::int[]) h");
        await Store.ForgetAsync(default);
        Assert.Equal("1,23", await _app.ScalarAsync<string>("select string_agg(n::text, ',' order by n) from jobs.throughput"));
    }

    /// <summary>The window in which a moment lies.</summary>
    private async Task<(DateTimeOffset From, DateTimeOffset To)> WindowAsync(int secondsAgo)
    {
        var from = new DateTimeOffset(await _app.ScalarAsync<DateTime>("select min(date_bin('10 seconds', ended_at, timestamptz 'epoch')) from jobs.history where ended_at < now() - make_interval(secs => $1 - 1)", (double)secondsAgo));
        return (from, from.AddSeconds(20)); // rows that came a moment later may lie in the next one
    }

    private Task EndedAsync(int count, double secondsAgo, double wait, double? run, string queue = "default", string state = "succeeded", DateTimeOffset? at = null) => _app.SqlAsync("""
        insert into jobs.history (id, enqueued_at, started_at, ended_at, state, attempt, failures, crashes, priority, queue, type, args)
        select jobs.new_id(), coalesce(started, ended) - make_interval(secs => $3), started, ended, $6::text::jobs.state, 1, 0, 0, 16, $5, 'test.work', '{}'
        from (select ended, ended - make_interval(secs => $4) as started from (select coalesce($7, now() - make_interval(secs => $2)) as ended from generate_series(1, $1)) n) t
        """, count, secondsAgo, wait, (object?)run ?? DBNull.Value, queue, state, (object?)at ?? DBNull.Value);
}
