using Jobs.Postgres;
using Jobs.Scheduler;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Engine;

/// <summary>The rules after an outage and for overlaps, as the recorder writes them. No scheduler runs here: each look is taken by the test.</summary>
public sealed class ScheduleRuleTests
{
    private const string Missed = "missed while no scheduler ran";

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(5, 5)]
    public async Task After_an_outage_the_latest_are_enqueued_and_the_others_recorded(int max, int enqueued)
    {
        await using var app = await TestApp.CreateAsync();
        await AddAsync(app, "m", "0 * * * * ?", new RecurringOptions { AfterOutage = max == 0 ? AfterOutage.Skip : AfterOutage.All(max) });
        await OutageAsync(app, "2 hours");
        var from = await MinuteAsync();
        await RecordAsync(app, "m");
        var minutes = await MinuteAsync() - from; // 121 if one began meanwhile
        Assert.InRange(minutes, 120, 121);
        var history = await app.Schedules.HistoryAsync("m", 1000);
        var late = history.Where(o => o.RecordedAt - o.At > TimeSpan.FromSeconds(60)).ToList();
        Assert.Equal(enqueued, late.Count(o => o.Enqueued));
        var skipped = Assert.Single(late, o => !o.Enqueued);
        Assert.Equal((Missed, minutes), (skipped.Reason, history.Sum(o => o.Count)));
        Assert.All(late.Where(o => o.Enqueued), o => Assert.True(o.At > skipped.Until));
        Assert.Equal(history.Count(o => o.Enqueued), await app.LiveAsync());

        Task<long> MinuteAsync() => app.ScalarAsync<long>("select floor(extract(epoch from recorded_to) / 60)::bigint from jobs.schedule");
    }

    [Fact]
    public async Task What_is_late_by_less_than_a_minute_was_not_missed()
    {
        await using var app = await TestApp.CreateAsync();
        await AddAsync(app, "s", "* * * * * ?", new RecurringOptions { AfterOutage = AfterOutage.Skip });
        await OutageAsync(app, "50 seconds");
        await RecordAsync(app, "s");
        var history = await app.Schedules.HistoryAsync("s", 1000);
        Assert.True(history.Count >= 50 && history.All(o => o.Enqueued), $"{history.Count}");
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_long_outage_of_a_frequent_schedule_takes_few_rows_and_several_passes()
    {
        await using var app = await TestApp.CreateAsync();
        await AddAsync(app, "s", "* * * * * ?", new RecurringOptions { AfterOutage = AfterOutage.All(3) });
        await OutageAsync(app, "3 days");
        await RecordAsync(app, "s");
        var history = await app.Schedules.HistoryAsync("s", 1000);
        var skipped = history.Where(o => !o.Enqueued).ToList();
        Assert.Equal(11, skipped.Count); // 259,200 in passes of 25,000
        Assert.All(skipped, o => Assert.Equal(Missed, o.Reason));
        Assert.Equal(3, history.Count(o => o.Enqueued && o.RecordedAt - o.At > TimeSpan.FromSeconds(60)));
        var oldest = history[^1].At;
        Assert.Equal((history[0].At - oldest).TotalSeconds + 1, history.Sum(o => o.Count)); // none is missing, none is there twice
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task An_outage_that_is_nearly_all_excluded_days_is_got_over()
    {
        await using var app = await TestApp.CreateAsync();
        var options = new RecurringOptions { ExcludedDays = [.. Enum.GetValues<DayOfWeek>().Select(d => (ExcludedDay)d)] };
        await AddAsync(app, "s", "* * * * * ?", options);
        await OutageAsync(app, "5 days");
        await RecordAsync(app, "s");
        var history = await app.Schedules.HistoryAsync("s", 1000);
        Assert.All(history, o => Assert.Equal("excluded day", o.Reason));
        Assert.True(history.Sum(o => o.Count) >= 5 * 86_400);
        Assert.Null((await app.Schedules.GetAsync("s"))!.NextAt);
    }

    [Fact]
    public async Task Overlap_allow_enqueues_all_the_same()
    {
        await using var app = await TestApp.CreateAsync();
        var (first, second) = await TwiceAsync(app, Overlap.Allow);
        Assert.Equal((JobState.Queued, JobState.Queued), ((await app.GetAsync(first!.Value)).State, (await app.GetAsync(second!.Value)).State));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Overlap_skip_records_that_the_run_before_has_not_ended()
    {
        await using var app = await TestApp.CreateAsync();
        var (first, second) = await TwiceAsync(app, Overlap.Skip);
        Assert.Null(second);
        Assert.Equal($"job {first} of the run before has not ended", (await app.Schedules.HistoryAsync("o"))[0].Reason);
        await app.WorkerAsync(Runs.Done);
        await app.EndedAsync(first!.Value);
        await AgainAsync(app);
        Assert.True((await app.Schedules.HistoryAsync("o"))[0].Enqueued);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Overlap_queue_has_the_next_run_wait_for_the_one_before()
    {
        await using var app = await TestApp.CreateAsync();
        var (first, second) = await TwiceAsync(app, Overlap.Queue);
        Assert.Equal(JobState.Blocked, (await app.GetAsync(second!.Value)).State);
        await app.WorkerAsync(Runs.InOrder(() => JobOutcome.FailNow("the one before fails")));
        await app.EndedAsync(first!.Value);
        await app.EndedAsync(second.Value);
        Assert.Equal([first.Value, second.Value], app.Runs.Select(r => r.Context.Id));
    }

    [Fact]
    public async Task Overlap_cancel_previous_ends_one_that_waits()
    {
        await using var app = await TestApp.CreateAsync();
        var (first, second) = await TwiceAsync(app, Overlap.CancelPrevious);
        var cancelled = await app.GetAsync(first!.Value);
        Assert.Equal((JobState.Cancelled, "Jobs.CancelledBySchedule"), (cancelled.State, cancelled.Errors[^1].Type));
        Assert.Equal(JobState.Queued, (await app.GetAsync(second!.Value)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Overlap_cancel_previous_asks_for_the_end_of_one_that_runs()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync, concurrency: 1);
        await AddAsync(app, "o", "0 0 * * * ?", new RecurringOptions { Overlap = Overlap.CancelPrevious });
        await AgainAsync(app);
        var first = (await app.Schedules.GetAsync("o"))!.LastJob!.Value;
        var running = await gate.Begun;
        Assert.Equal(first, running.Id);
        await AgainAsync(app);
        var ended = await app.EndedAsync(first);
        Assert.Equal((JobState.Cancelled, "It was cancelled by schedule o while it ran. Reason: Its next occurrence was due."), (ended.State, Assert.Single(ended.Errors).Message));
        Assert.NotEqual(first, (await app.Schedules.GetAsync("o"))!.LastJob);
    }

    [Fact]
    public async Task Many_that_look_at_once_record_it_once()
    {
        await using var app = await TestApp.CreateAsync();
        await AddAsync(app, "s", "* * * * * ?", new RecurringOptions());
        await OutageAsync(app, "30 seconds");
        var recorder = Recorder(app);
        await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => recorder.RecordAsync("s", default)));
        await ScheduleTests.AssertWholeAsync(app, expectedPerSchedule: 30);
    }

    [Fact]
    public async Task A_redefinition_goes_on_from_the_watermark()
    {
        await using var app = await TestApp.CreateAsync();
        await AddAsync(app, "s", "* * * * * ?", new RecurringOptions());
        await OutageAsync(app, "20 seconds");
        await app.Schedules.AddAsync("s", "* * * * * ?", new Work(2));
        await RecordAsync(app, "s");
        await ScheduleTests.AssertWholeAsync(app, expectedPerSchedule: 20);
    }

    [Fact]
    public async Task A_redefinition_does_not_reach_back_where_nothing_was_due()
    {
        await using var app = await TestApp.CreateAsync();
        await AddAsync(app, "s", "0 0 0 1 1 ? 2090", new RecurringOptions());
        await RecordAsync(app, "s");
        await app.SqlAsync("update jobs.schedule set recorded_to = now() - interval '20 hours'");
        await AddAsync(app, "s", "0 0 * * * ?", new RecurringOptions());
        await RecordAsync(app, "s");
        Assert.DoesNotContain(await app.Schedules.HistoryAsync("s"), o => o.RecordedAt - o.At > TimeSpan.FromSeconds(60));
    }

    /// <summary>Hourly, looked at after the hour, twice.</summary>
    private static async Task<(JobId? First, JobId? Second)> TwiceAsync(TestApp app, Overlap overlap)
    {
        await AddAsync(app, "o", "0 0 * * * ?", new RecurringOptions { Overlap = overlap });
        await AgainAsync(app);
        var first = (await app.Schedules.HistoryAsync("o"))[0].Job;
        await AgainAsync(app);
        var second = (await app.Schedules.HistoryAsync("o"))[0].Job;
        return (first, second == first ? null : second);
    }

    /// <summary>The newest hour is due, as if it had not been recorded; those recorded before move back, so that the ledger has room for it.</summary>
    private static async Task AgainAsync(TestApp app)
    {
        await app.SqlAsync("update jobs.occurrence set at = at - interval '3 hours'");
        await app.SqlAsync("update jobs.schedule set recorded_to = date_trunc('hour', now()) - interval '1 minute'");
        await RecordAsync(app, "o");
    }

    private static async Task AddAsync(TestApp app, string name, string cron, RecurringOptions options) => await app.Schedules.AddAsync(name, cron, new Work(1), options: options);

    private static Task OutageAsync(TestApp app, string length) => app.SqlAsync($"update jobs.schedule set recorded_to = now() - interval '{length}', created_at = now() - interval '{length}'");

    private static async Task RecordAsync(TestApp app, string name) => Assert.NotNull(await Recorder(app).RecordAsync(name, default));

    private static Recorder Recorder(TestApp app) => app.Build(b => b.AddScheduler()).Services.GetRequiredService<Recorder>();
}
