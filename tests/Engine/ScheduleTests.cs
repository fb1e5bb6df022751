namespace Jobs.Tests.Engine;

/// <summary>Schedules through the calls that apps and operators have, recorded by real schedulers.</summary>
public sealed class ScheduleTests
{
    private const string Secondly = "* * * * * ?";

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Several_schedulers_enqueue_each_occurrence_once()
    {
        await using var app = await TestApp.CreateAsync();
        for (var i = 0; i < 5; i++)
        {
            await app.Schedules.AddAsync($"every-{i}", Secondly, new Work(i));
        }

        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => app.SchedulerAsync()));
        await Eventually.SeeAsync(() => LedgerAsync(app), n => n >= 25, "25 occurrences are recorded", app.Log.Tail);
        await AssertWholeAsync(app, expectedPerSchedule: 1);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Quartz_fires_them_and_the_jobs_run()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await app.SchedulerAsync();
        await app.Schedules.AddAsync("beat", TimeSpan.FromSeconds(1), new Work(7, "beat"), options: new RecurringOptions { Priority = 9 });
        await app.LoggedAsync(1542);
        await app.LoggedAsync(1544);
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.occurrence where recorded_at - at < interval '1 second'"), n => n >= 3,
            "occurrences are recorded when they are due, not when the sweep finds them", app.Log.Tail);
        await app.SeeAsync(() => app.Runs.Count >= 3, "the jobs run");
        Assert.All(app.Runs, r => Assert.Equal((new Work(7, "beat"), 9), (r.Job, r.Context.Priority.Value)));
        Assert.True(await app.ScalarAsync<bool>("select count(*) > 0 from information_schema.tables where table_schema = $1 and table_name = 'qrtz_triggers'", app.Schema + "_quartz"));
    }

    [Fact]
    public async Task A_new_schedule_starts_now_and_an_unchanged_one_is_left_alone()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.True(await app.Schedules.AddAsync("nightly", "0 30 2 * * ?", new Work(1), tz: "Europe/Berlin"));
        var first = (await app.Schedules.GetAsync("nightly"))!;
        Assert.False(await app.Schedules.AddAsync("nightly", "0 30 2 * * ?", new Work(1), tz: "Europe/Berlin"));
        Assert.Equal(first.ChangedAt, (await app.Schedules.GetAsync("nightly"))!.ChangedAt);
        Assert.True(await app.Schedules.AddAsync("nightly", "0 30 2 * * ?", new Work(2), tz: "Europe/Berlin"));
        var changed = (await app.Schedules.GetAsync("nightly"))!;
        Assert.Equal((first.RecordedTo, first.CreatedAt), (changed.RecordedTo, changed.CreatedAt));
        Assert.Contains("\"number\":2", changed.Arguments, StringComparison.Ordinal);
        Assert.Equal(await app.Schedules.NextAsync("nightly", 1), [changed.NextAt!.Value]);
        Assert.Empty(await app.Schedules.HistoryAsync("nightly"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_deployment_in_the_middle_loses_and_doubles_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SchedulerAsync(o => o.Recurring("job", Secondly, new Work(0)));
        await Eventually.SeeAsync(() => LedgerAsync(app), n => n >= 2, "it runs", app.Log.Tail);
        for (var version = 1; version <= 3; version++)
        {
            var number = version;
            await app.SchedulerAsync(o => o.Recurring("job", Secondly, new Work(number)));
            var seen = await LedgerAsync(app);
            await Eventually.SeeAsync(() => LedgerAsync(app), n => n >= seen + 2, "it goes on", app.Log.Tail);
        }

        await app.SeeAsync(() => app.Log.Of(1545).Count() == 4, "each has said what it defines");
        await AssertWholeAsync(app, expectedPerSchedule: 1);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Code_that_defines_the_same_again_changes_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SchedulerAsync(o => o.Recurring("job", TimeSpan.FromHours(1), new Work(0)));
        await app.LoggedAsync(1545);
        await app.SchedulerAsync(o => o.Recurring("job", TimeSpan.FromHours(1), new Work(0)).Recurring("other", TimeSpan.FromHours(1), new Work(0)));
        await app.SeeAsync(() => app.Log.Of(1545).Count() >= 2, "the other is defined");
        Assert.Single(app.Log.Of(1545), l => l.Text.Contains("job", StringComparison.Ordinal));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_was_missed_in_a_pause_is_recorded_and_not_caught_up()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Schedules.AddAsync("tick", Secondly, new Work());
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => LedgerAsync(app), n => n >= 1, "it runs", app.Log.Tail);
        await app.Schedules.PauseAsync("tick", "Ada");
        var paused = await Eventually.SeeAsync(async () => (await app.Schedules.GetAsync("tick"))!, s => s.RecordedTo >= s.PausedAt, "it is recorded up to the pause", app.Log.Tail);
        Assert.Equal(("Ada", null), (paused.PausedBy, paused.NextAt));
        var before = await LedgerAsync(app);
        await app.SqlAsync("update jobs.schedule set paused_at = paused_at - interval '10 seconds', recorded_to = paused_at - interval '10 seconds'");
        Assert.Equal(before, await LedgerAsync(app));
        await app.Schedules.ResumeAsync("tick");
        var history = await Eventually.SeeAsync(() => app.Schedules.HistoryAsync("tick"), h => h.Any(o => o.Reason == "paused by Ada") && h[0].Enqueued, "it goes on", app.Log.Tail);
        Assert.True(history.Single(o => !o.Enqueued).Count >= 2);
        Assert.Null((await app.Schedules.GetAsync("tick"))!.PausedAt);
    }

    [Fact]
    public async Task Run_now_enqueues_one_job_and_leaves_the_occurrences_alone()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await app.Schedules.AddAsync("nightly", "0 30 2 * * ?", new Work(5));
        var before = (await app.Schedules.GetAsync("nightly"))!;
        await app.Schedules.PauseAsync("nightly");
        var id = await app.Schedules.RunNowAsync("nightly");
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(id)).State);
        var occurrence = Assert.Single(await app.Schedules.HistoryAsync("nightly"));
        Assert.Equal((id, "run now"), (occurrence.Job, occurrence.Reason));
        Assert.Equal(before.RecordedTo, (await app.Schedules.GetAsync("nightly"))!.RecordedTo);
        Assert.Equal(id, (await app.Schedules.GetAsync("nightly"))!.LastJob);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task A_removed_schedule_stops_and_keeps_its_history()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Schedules.AddAsync("tick", Secondly, new Work());
        await app.Schedules.AddAsync("tock", Secondly, new Work());
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.Schedules.HistoryAsync("tick"), h => h.Count > 0, "it runs", app.Log.Tail);
        await app.LoggedAsync(1544);
        await app.Schedules.RemoveAsync("tick");
        var history = await app.Schedules.HistoryAsync("tick");
        await app.SeeAsync(() => app.Log.Of(1544).Any(l => l.Text.Contains("1 removed", StringComparison.Ordinal)), "its trigger is gone");
        var others = (await app.Schedules.HistoryAsync("tock")).Count;
        await Eventually.SeeAsync(() => app.Schedules.HistoryAsync("tock"), h => h.Count > others, "the other one goes on", app.Log.Tail);
        Assert.Equal(history, await app.Schedules.HistoryAsync("tick"));
        Assert.Equal(["tock"], (await app.Schedules.ListAsync()).Select(s => s.Name));
        Assert.Contains("There is no schedule \"tick\"", (await Assert.ThrowsAsync<JobsException>(() => app.Schedules.RemoveAsync("tick"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_it_is_comes_back_as_it_was_given()
    {
        await using var app = await TestApp.CreateAsync();
        var options = new RecurringOptions
        {
            Queue = "reports",
            Priority = 3,
            Start = DateTimeOffset.Parse("2030-01-01T00:00:00Z"),
            End = DateTimeOffset.Parse("2031-01-01T00:00:00Z"),
            ExcludedDays = [new DateOnly(2030, 5, 1), ExcludedDay.Yearly(2, 29), DayOfWeek.Sunday],
            OnMissingTime = OnMissingTime.Skip,
            OnRepeatedTime = OnRepeatedTime.Second,
            AfterOutage = AfterOutage.All(17),
            Overlap = Overlap.CancelPrevious,
        };
        await app.Schedules.AddJsonAsync("r", "0 0 6 ? * MON-SAT", "report.make", """{"for":"all"}""", "America/New_York", options);
        var schedule = Assert.Single(await app.Schedules.ListAsync());
        Assert.Equal(("r", "America/New_York", "report.make", """{"for":"all"}"""), (schedule.Name, schedule.TimeZone, schedule.Type, schedule.Arguments));
        Assert.Equal(Recurrence.Cron("0 0 6 ? * MON-SAT"), schedule.When);
        Assert.Equal(options.ExcludedDays, schedule.Options.ExcludedDays);
        Assert.Equal(options, schedule.Options with { ExcludedDays = options.ExcludedDays });
        Assert.Equal(DateTimeOffset.Parse("2030-01-01T11:00:00Z"), schedule.NextAt);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Occurrences_of_a_unique_job_that_is_there_already_are_recorded_as_skipped()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Schedules.AddAsync("single", Secondly, new Single());
        await app.SchedulerAsync();
        var history = await Eventually.SeeAsync(() => app.Schedules.HistoryAsync("single"), h => h.Count >= 3, "three occurrences", app.Log.Tail);
        var job = Assert.Single(history, o => o.Enqueued).Job;
        Assert.All(history.SkipLast(1), o => Assert.Equal($"its unique key is taken by job {job}", o.Reason));
        Assert.Equal(1, await app.LiveAsync());
    }

    [Job("test.single")]
    [Unique]
    internal sealed record Single;

    internal static Task<long> LedgerAsync(TestApp app) => app.ScalarAsync<long>("select count(*) from jobs.occurrence");

    /// <summary>Every second from the first to the last occurrence of each schedule is in the ledger, and has its one job.</summary>
    internal static async Task AssertWholeAsync(TestApp app, int expectedPerSchedule)
    {
        Assert.Equal(0, await app.ScalarAsync<long>("""
            select count(*) from (select schedule, max(at) - min(at) as span, count(*) as n, count(distinct job) as jobs from jobs.occurrence group by schedule) s
            where span <> (n - 1) * interval '1 second' or jobs <> n
            """));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.occurrence o full join (select id from jobs.job union all select id from jobs.history) j on j.id = o.job where o.job is null or j.id is null"));
        Assert.True(expectedPerSchedule <= await app.ScalarAsync<long>("select min(n) from (select count(*) as n from jobs.occurrence group by schedule) s"));
    }
}
