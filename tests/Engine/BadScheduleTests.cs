using Microsoft.Extensions.Options;

namespace Jobs.Tests.Engine;

/// <summary>Schedules that break a rule: the same sentence from every way in, and nothing is written.</summary>
public sealed class BadScheduleTests
{
    private static readonly (string Case, string Name, Recurrence? When, string? Tz, RecurringOptions? Options, string Expected)[] Cases =
    [
        ("empty name", "", "0 0 * * * ?", null, null, "The schedule name is empty; give it 1 to 100 characters."),
        ("long name", new string('n', 300), "0 0 * * * ?", null, null, "has 300 characters; at most 100 are allowed."),
        ("slash", "a/b", "0 0 * * * ?", null, null, "The schedule name \"a/b\" is not allowed; use letters"),
        ("no recurrence", "s", null, null, null, "The schedule has no recurrence; give a cron expression"),
        ("words", "s", "every now and then", null, null, "The cron expression \"every now and then\" is not allowed"),
        ("hour 25", "s", "0 0 25 * * ?", null, null, "25 in its field hour (\"25\"); use 0 to 23."),
        ("five fields", "s", "30 2 * * 1", null, null, "has 5 fields; here the first one is for seconds: did you mean \"0 30 2 ? * "),
        ("minute 99", "s", "0 99 2 * * ?", null, null, "99 in its field minute (\"99\"); use 0 to 59."),
        ("hour 24", "s", "0 0 0-24 * * ?", null, null, "24 in its field hour (\"0-24\"); use 0 to 23."),
        ("month 13", "s", "0 0 0 1 13 ?", null, null, "13 in its field month (\"13\"); use 1 to 12."),
        ("step over the hour", "s", "0 0/90 * * * ?", null, null, "a step of 90 in its field minute (\"0/90\"); use 1 to 59."),
        ("30 February", "s", "0 0 0 30 2 ?", null, null, "The cron expression \"0 0 0 30 2 ?\" never occurs"),
        ("year 2300", "s", "0 0 0 1 1 ? 2300", null, null, "2300 in its field year (\"2300\"); use 1970 to 2199."),
        ("long cron", "s", new string('*', 300), null, null, "has 300 characters; at most 200 are allowed."),
        ("half a second", "s", TimeSpan.FromMilliseconds(500), null, null, "The interval 00:00:00.5000000 is not allowed; use whole seconds, 1 s to 366 days."),
        ("a second and a half", "s", TimeSpan.FromSeconds(1.5), null, null, "The interval 00:00:01.5000000 is not allowed"),
        ("two years", "s", TimeSpan.FromDays(700), null, null, "The interval 700.00:00:00 is not allowed"),
        ("zone without its continent", "s", "0 0 * * * ?", "Berlin", null, "The time zone \"Berlin\" is not known; did you mean \"Europe/Berlin\"?"),
        ("zone in small letters", "s", "0 0 * * * ?", "europe/berlin", null, "did you mean \"Europe/Berlin\"?"),
        ("zone with a slip", "s", "0 0 * * * ?", "Europe/Berlim", null, "did you mean \"Europe/Berlin\"?"),
        ("zone of nowhere", "s", "0 0 * * * ?", "Mars/Olympus", null, "The time zone \"Mars/Olympus\" is not known; use an IANA name, for example Europe/Berlin."),
        ("zone that is a path", "s", "0 0 * * * ?", "../../etc/passwd", null, "is not known"),
        ("end before start", "s", "0 0 * * * ?", null, new() { Start = new(2030, 1, 2, 0, 0, 0, default), End = new(2030, 1, 1, 0, 0, 0, default) }, "is not after the start 2030-01-02"),
        ("year 9999", "s", "0 0 * * * ?", null, new() { Start = DateTimeOffset.MaxValue }, "The start 9999-12-31T23:59:59.9999999+00:00 is not allowed; use a time from the year 1970 to 2199."),
        ("too many days", "s", "0 0 * * * ?", null, new() { ExcludedDays = [.. Enumerable.Range(0, 1001).Select(i => (ExcludedDay)new DateOnly(2026, 1, 1).AddDays(i))] }, "The schedule excludes 1001 days"),
        ("overlap 9", "s", "0 0 * * * ?", null, new() { Overlap = (Overlap)9 }, "Overlap 9 does not exist; use one of Allow, Skip, Queue, CancelPrevious."),
    ];

    [Fact]
    public async Task Each_is_refused_in_the_same_words_by_every_way_in()
    {
        await using var app = await TestApp.CreateAsync();
        foreach (var (name, schedule, when, tz, options, expected) in Cases)
        {
            var error = await Record.ExceptionAsync(() => app.Schedules.AddAsync(schedule, when!, new Work(), tz, options));
            Assert.True(error is ArgumentException && error.Message.Contains(expected, StringComparison.Ordinal), $"{name}: {error?.Message ?? "no error"}");
            Assert.Equal(error!.Message, (await Assert.ThrowsAsync<ArgumentException>(() => app.Schedules.AddJsonAsync(schedule, when!, "test.work", "{}", tz, options))).Message);
            using var host = app.Build(b => b.AddScheduler(o => o.Recurring(schedule, when!, new Work(), tz, options)));
            Assert.Contains((await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync())).Failures, f => f.EndsWith(error.Message, StringComparison.Ordinal));
        }

        Assert.Empty(await app.Schedules.ListAsync());
    }

    [Fact]
    public async Task Other_values_are_refused_too()
    {
        await using var app = await TestApp.CreateAsync();
        await SaysAsync<ArgumentException>(() => app.Schedules.AddJsonAsync("s", "0 0 * * * ?", "test.work", "no json"), "are not JSON");
        await SaysAsync<ArgumentException>(() => app.Schedules.AddAsync("s", "0 0 * * * ?", new Periodic()), "unique in each period");
        await SaysAsync<ArgumentOutOfRangeException>(() => app.Schedules.NextAsync("s", 0), "The number 0 is not allowed; use 1 to 1,000.");
        await SaysAsync<ArgumentOutOfRangeException>(() => app.Schedules.HistoryAsync("s", 1001), "The number 1001 is not allowed");
        await SaysAsync<ArgumentException>(() => app.Schedules.PauseAsync("s", new string('x', 201)), "has 201 characters");
        await SaysAsync<JobsException>(() => app.Schedules.PauseAsync("s"), "There is no schedule \"s\"");
        await SaysAsync<JobsException>(() => app.Schedules.ResumeAsync("s"), "There is no schedule \"s\"");
        await SaysAsync<JobsException>(() => app.Schedules.RunNowAsync("s"), "There is no schedule \"s\"");
        await SaysAsync<JobsException>(() => app.Schedules.NextAsync("s", 1), "There is no schedule \"s\"");
        Assert.Throws<ArgumentOutOfRangeException>(() => AfterOutage.All(1001));
        Assert.Throws<FormatException>(() => ExcludedDay.Parse("13-32"));
        using var host = app.Build(b => b.AddScheduler(o => o.Recurring("a", "0 0 * * * ?", new Work()).Recurring("a", TimeSpan.FromHours(1), new Work())));
        await SaysAsync<OptionsValidationException>(() => host.StartAsync(), "there are two recurring jobs of the name \"a\"");
        Assert.Null(await app.Schedules.GetAsync("s"));
    }

    [Theory]
    [InlineData("2026-12-24")]
    [InlineData("12-25")]
    [InlineData("02-29")]
    [InlineData("saturday")]
    public void Excluded_days_are_read_as_they_are_written(string text) => Assert.Equal(text, ExcludedDay.Parse(text).ToString());

    private static async Task SaysAsync<T>(Func<Task> call, string expected)
        where T : Exception => Assert.Contains(expected, (await Assert.ThrowsAnyAsync<T>(call)).Message, StringComparison.Ordinal);

    [Job("test.periodic")]
    [Unique(PeriodSeconds = 60)]
    private sealed record Periodic;
}
