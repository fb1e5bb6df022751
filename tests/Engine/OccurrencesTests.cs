using Jobs.Coordination.Recurring;

namespace Jobs.Tests.Engine;

/// <summary>When a schedule is due, on the nights when real zones change their clocks.</summary>
public sealed class OccurrencesTests
{
    private const string Daily = "0 30 2 * * ?";      // fixed hour: Vixie cron would run it once each day
    private const string Often = "0 */30 * * * ?";    // goes through all hours: by real time

    [Theory]
    // Spring: 02:00 to 03:00 does not exist in Berlin and New York; 02:00 to 02:30 on Lord Howe.
    [InlineData("Europe/Berlin", Daily, "2026-03-28T12:00Z", null, "2026-03-29T01:00Z 2026-03-30T00:30Z")]
    [InlineData("Europe/Berlin", Daily, "2026-03-28T12:00Z", OnMissingTime.RunAfter, "2026-03-29T01:00Z 2026-03-30T00:30Z")]
    [InlineData("Europe/Berlin", Daily, "2026-03-28T12:00Z", OnMissingTime.Skip, "2026-03-30T00:30Z 2026-03-31T00:30Z")]
    [InlineData("Europe/Berlin", Often, "2026-03-29T00:15Z", null, "2026-03-29T00:30Z 2026-03-29T01:00Z 2026-03-29T01:30Z")]
    [InlineData("Europe/Berlin", "0 0 2,3 * * ?", "2026-03-28T12:00Z", null, "2026-03-29T01:00Z 2026-03-30T00:00Z 2026-03-30T01:00Z")]
    [InlineData("America/New_York", Daily, "2026-03-07T12:00Z", null, "2026-03-08T07:00Z 2026-03-09T06:30Z")]
    [InlineData("America/New_York", Daily, "2026-03-07T12:00Z", OnMissingTime.Skip, "2026-03-09T06:30Z")]
    [InlineData("America/New_York", Often, "2026-03-08T06:15Z", null, "2026-03-08T06:30Z 2026-03-08T07:00Z 2026-03-08T07:30Z")]
    [InlineData("Australia/Lord_Howe", "0 15 2 * * ?", "2026-10-03T00:00Z", null, "2026-10-03T15:30Z 2026-10-04T15:15Z")]
    [InlineData("Australia/Lord_Howe", "0 15 2 * * ?", "2026-10-03T00:00Z", OnMissingTime.Skip, "2026-10-04T15:15Z")]
    [InlineData("Australia/Lord_Howe", Daily, "2026-10-03T00:00Z", null, "2026-10-03T15:30Z 2026-10-04T15:30Z")]
    [InlineData("Australia/Lord_Howe", "0 */15 * * * ?", "2026-10-03T15:05Z", null, "2026-10-03T15:15Z 2026-10-03T15:30Z 2026-10-03T15:45Z")]
    public void Clocks_are_put_forward(string zone, string cron, string after, OnMissingTime? rule, string expected) =>
        Assert.Equal(expected, Next(cron, zone, after, expected, new RecurringOptions { OnMissingTime = rule }));

    [Theory]
    // Autumn: 02:00 to 03:00 exists twice in Berlin, 01:00 to 02:00 in New York, 01:30 to 02:00 on Lord Howe.
    [InlineData("Europe/Berlin", Daily, "2026-10-24T12:00Z", null, "2026-10-25T00:30Z 2026-10-26T01:30Z")]
    [InlineData("Europe/Berlin", Daily, "2026-10-24T12:00Z", OnRepeatedTime.First, "2026-10-25T00:30Z 2026-10-26T01:30Z")]
    [InlineData("Europe/Berlin", Daily, "2026-10-24T12:00Z", OnRepeatedTime.Second, "2026-10-25T01:30Z 2026-10-26T01:30Z")]
    [InlineData("Europe/Berlin", Daily, "2026-10-24T12:00Z", OnRepeatedTime.Both, "2026-10-25T00:30Z 2026-10-25T01:30Z 2026-10-26T01:30Z")]
    [InlineData("Europe/Berlin", Daily, "2026-10-25T00:45Z", OnRepeatedTime.Second, "2026-10-25T01:30Z")]
    [InlineData("Europe/Berlin", Daily, "2026-10-25T01:15Z", OnRepeatedTime.First, "2026-10-26T01:30Z")]
    [InlineData("Europe/Berlin", Often, "2026-10-25T00:15Z", null, "2026-10-25T00:30Z 2026-10-25T01:00Z 2026-10-25T01:30Z 2026-10-25T02:00Z")]
    [InlineData("Europe/Berlin", Often, "2026-10-25T00:15Z", OnRepeatedTime.First, "2026-10-25T00:30Z 2026-10-25T02:00Z")]
    [InlineData("America/New_York", "0 30 1 * * ?", "2026-10-31T12:00Z", null, "2026-11-01T05:30Z 2026-11-02T06:30Z")]
    [InlineData("America/New_York", "0 30 1 * * ?", "2026-10-31T12:00Z", OnRepeatedTime.Both, "2026-11-01T05:30Z 2026-11-01T06:30Z 2026-11-02T06:30Z")]
    [InlineData("America/New_York", Often, "2026-11-01T05:45Z", null, "2026-11-01T06:00Z 2026-11-01T06:30Z 2026-11-01T07:00Z")]
    [InlineData("Australia/Lord_Howe", "0 45 1 * * ?", "2026-04-04T00:00Z", null, "2026-04-04T14:45Z 2026-04-05T15:15Z")]
    [InlineData("Australia/Lord_Howe", "0 45 1 * * ?", "2026-04-04T00:00Z", OnRepeatedTime.Both, "2026-04-04T14:45Z 2026-04-04T15:15Z 2026-04-05T15:15Z")]
    [InlineData("Australia/Lord_Howe", "0 */15 * * * ?", "2026-04-04T14:40Z", null, "2026-04-04T14:45Z 2026-04-04T15:00Z 2026-04-04T15:15Z 2026-04-04T15:30Z")]
    public void Clocks_are_put_back(string zone, string cron, string after, OnRepeatedTime? rule, string expected) =>
        Assert.Equal(expected, Next(cron, zone, after, expected, new RecurringOptions { OnRepeatedTime = rule }));

    [Theory]
    [InlineData("0 0 12 * * ?", "UTC", "2026-01-01T12:00Z", "2026-01-02T12:00Z")]
    [InlineData("0 0 12 29 2 ?", "Asia/Tokyo", "2026-01-01T00:00Z", "2028-02-29T03:00Z")] // over years in which nothing changes
    [InlineData("0 0 12 1 1 ?", "Europe/Berlin", "2026-06-01T00:00Z", "2027-01-01T11:00Z 2028-01-01T11:00Z")]
    [InlineData("0 0 8-18 ? * MON-FRI", "Europe/Berlin", "2026-05-01T15:30Z", "2026-05-01T16:00Z 2026-05-04T06:00Z")]
    public void Ordinary_days(string cron, string zone, string after, string expected) => Assert.Equal(expected, Next(cron, zone, after, expected, new RecurringOptions()));

    [Fact]
    public void A_year_of_a_zone_has_as_many_occurrences_as_hours_and_days()
    {
        foreach (var zone in new[] { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC" })
        {
            var (from, to) = (DateTimeOffset.Parse("2026-01-15T00:00:00Z"), DateTimeOffset.Parse("2027-01-15T00:00:00Z"));
            Assert.Equal(365 * 24 * 4, Count("0 */15 * * * ?"));
            Assert.Equal(365, Count("0 30 2 * * ?"));
            Assert.Equal(365, Count("0 45 1 * * ?"));

            int Count(string cron)
            {
                var instants = Of(cron, zone).After(from).TakeWhile(s => s.At <= to).ToList();
                Assert.Equal(instants.Select(i => i.At).Order().Distinct(), instants.Select(i => i.At));
                return instants.Count;
            }
        }
    }

    [Fact]
    public void Wherever_one_begins_the_next_one_is_the_same()
    {
        foreach (var rule in Enum.GetValues<OnRepeatedTime>())
        {
            var occurrences = Of("0 */10 1-3 * * ?", "Europe/Berlin", new RecurringOptions { OnRepeatedTime = rule });
            var (from, to) = (DateTimeOffset.Parse("2026-10-24T20:00:00Z"), DateTimeOffset.Parse("2026-10-25T06:00:00Z"));
            var all = occurrences.After(from).Select(s => s.At).TakeWhile(t => t <= to).ToList();
            for (var t = from; t < to; t += TimeSpan.FromMinutes(3))
            {
                Assert.Equal(all.Where(a => a > t), Of("0 */10 1-3 * * ?", "Europe/Berlin", new RecurringOptions { OnRepeatedTime = rule }).After(t).Select(s => s.At).TakeWhile(a => a <= to));
            }
        }
    }

    [Fact]
    public void Skipped_for_a_missing_time_is_said_where_an_hour_is_fixed()
    {
        var slots = Of(Daily, "Europe/Berlin", new RecurringOptions { OnMissingTime = OnMissingTime.Skip }).After(DateTimeOffset.Parse("2026-03-28T12:00:00Z")).Take(2).ToList();
        Assert.Equal("its local time does not exist on this day", slots[0].Skip);
        Assert.Equal(DateTimeOffset.Parse("2026-03-29T01:00:00Z"), slots[0].At);
        Assert.Null(slots[1].Skip);
        Assert.Null(Of(Often, "Europe/Berlin").After(DateTimeOffset.Parse("2026-03-29T00:45:00Z")).First().Skip);
    }

    [Fact]
    public void Intervals_are_counted_from_their_start_in_elapsed_time()
    {
        var start = DateTimeOffset.Parse("2026-03-28T23:00:00Z");
        var hourly = new Occurrences(TimeSpan.FromHours(1), "Europe/Berlin", new RecurringOptions { Start = start }, start.AddDays(-9));
        Assert.Equal([start, start.AddHours(1), start.AddHours(2), start.AddHours(3)], hourly.After(start.AddDays(-1)).Take(4).Select(s => s.At));
        var created = DateTimeOffset.Parse("2026-05-05T05:05:05.6Z");
        var without = new Occurrences(TimeSpan.FromSeconds(10), "UTC", new RecurringOptions(), created);
        Assert.Equal(DateTimeOffset.Parse("2026-05-05T05:05:15Z"), without.Next(created));
    }

    [Fact]
    public void Start_end_and_excluded_days_of_the_zone_bound_it()
    {
        var options = new RecurringOptions
        {
            Start = DateTimeOffset.Parse("2026-12-21T23:30:00Z"), // 00:30 on the 22nd in Berlin
            End = DateTimeOffset.Parse("2026-12-28T23:30:00Z"),
            ExcludedDays = [new DateOnly(2026, 12, 24), ExcludedDay.Yearly(12, 25), DayOfWeek.Saturday],
        };
        Assert.Equal(
            "2026-12-21T23:30Z 2026-12-22T23:30Z 2026-12-26T23:30Z 2026-12-27T23:30Z 2026-12-28T23:30Z",
            Next("0 30 0 * * ?", "Europe/Berlin", "2026-12-01T00:00Z", "-----", options));
        var skipped = Of("0 30 0 * * ?", "Europe/Berlin", options).After(options.Start.Value).Where(s => s.Skip is not null).Select(s => (s.At.Day, s.Skip));
        Assert.Equal([(23, "excluded day"), (24, "excluded day"), (25, "excluded day")], skipped); // in UTC they are the day before
        Assert.Null(Of("*/1 * * * * ?", "UTC", new RecurringOptions { ExcludedDays = [.. Enum.GetValues<DayOfWeek>().Select(d => (ExcludedDay)d)] }).Next(options.Start.Value));
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("Europe/Berlin", 2026)]
    [InlineData("America/Sao_Paulo", 2018)] // forward at midnight
    [InlineData("America/Havana", 2026)] // forward at midnight, back at one, so that midnight comes twice
    [InlineData("Asia/Beirut", 2022)] // back at midnight, to the day before
    [InlineData("Pacific/Apia", 2011)] // left out a day
    [InlineData("Australia/Lord_Howe", 2026)] // by half an hour
    public void Excluded_days_are_passed_over_as_if_each_of_their_occurrences_was_looked_at(string zone, int year)
    {
        var start = new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero);
        foreach (var days in Enumerable.Range(1, 126).Where(d => d % 5 == 0))
        {
            var options = new RecurringOptions { ExcludedDays = [.. Enum.GetValues<DayOfWeek>().Where(d => (days & (1 << (int)d)) != 0).Select(d => (ExcludedDay)d)], OnRepeatedTime = OnRepeatedTime.Both };
            var occurrences = Of("0 */30 * * * ?", zone, options);
            var expected = occurrences.After(start).TakeWhile(s => s.At < start.AddYears(1)).Where(s => s.Skip is null).Select(s => s.At).ToArray();
            var at = start;
            foreach (var next in expected)
            {
                Assert.Equal(next, occurrences.Next(at));
                at = next;
            }
        }
    }

    private static Occurrences Of(string cron, string zone, RecurringOptions? options = null) => new(cron, zone, options ?? new RecurringOptions(), DateTimeOffset.UnixEpoch);

    /// <summary>As many as are expected, one after the other.</summary>
    private static string Next(string cron, string zone, string after, string like, RecurringOptions options)
    {
        var occurrences = Of(cron, zone, options);
        var found = new List<DateTimeOffset>();
        var count = like.StartsWith('-') ? like.Length : like.Split(' ').Length;
        for (var at = occurrences.Next(DateTimeOffset.Parse(after)); at is { } next && found.Count < count; at = occurrences.Next(next))
        {
            found.Add(next);
        }

        return string.Join(' ', found.Select(f => f.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm'Z'")));
    }
}
