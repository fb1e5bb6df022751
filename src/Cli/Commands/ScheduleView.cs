using System.Globalization;
using Jobs.Postgres;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>Schedules and their occurrences as people and programs read and write them.</summary>
internal static class ScheduleView
{
    /// <summary>An interval has one word, a cron expression several; <c>@daily</c> and the like are cron.</summary>
    /// <exception cref="FormatException">Neither.</exception>
    public static Recurrence Recurrence(string text)
    {
        if (text.Trim().Contains(' ', StringComparison.Ordinal) || text.StartsWith('@'))
        {
            return Jobs.Recurrence.Cron(text);
        }

        try
        {
            return Jobs.Recurrence.Every(Plain.ParseDuration(text));
        }
        catch (FormatException e)
        {
            throw new FormatException($"\"{text}\" is neither cron with seconds, for example \"0 30 2 * * ?\", nor an interval like 30s, 5m, 2h or 1d.", e);
        }
    }

    public static AfterOutage? Outage(string text) => text switch
    {
        "skip" => AfterOutage.Skip,
        "one" => AfterOutage.One,
        _ when int.TryParse(text, out var max) => AfterOutage.All(max),
        _ => throw new FormatException($"The rule after an outage \"{text}\" does not exist; use skip, one, or how many of the latest, 1 to 1000."),
    };

    /// <exception cref="UsageException">Not a day.</exception>
    public static ExcludedDay Day(string text) => ExcludedDay.TryParse(text, null, out var day) ? day
        : throw new UsageException($"The excluded day \"{text}\" is not allowed; use a date (2026-12-24), a date of every year (12-25) or a day of the week (saturday).");

    public static object AsJson(ScheduleInfo s) => new
    {
        name = s.Name,
        cron = s.When.CronExpression,
        everySeconds = s.When.Interval?.TotalSeconds,
        timeZone = s.TimeZone,
        type = s.Type,
        queue = s.Options.Queue?.Value,
        priority = (int)s.Options.Priority.Value,
        arguments = JobView.Embedded(s.Arguments),
        start = s.Options.Start,
        end = s.Options.End,
        excludedDays = s.Options.ExcludedDays.Select(d => d.ToString()),
        onMissingTime = ScheduleWords.Of(s.Options.OnMissingTime),
        onRepeatedTime = ScheduleWords.Of(s.Options.OnRepeatedTime),
        afterOutage = s.Options.AfterOutage.Max,
        overlap = ScheduleWords.Of(s.Options.Overlap),
        pausedAt = s.PausedAt,
        pausedBy = s.PausedBy,
        recordedTo = s.RecordedTo,
        nextAt = s.NextAt,
        lastJob = s.LastJob?.Value,
    };

    public static object AsJson(OccurrenceInfo o) =>
        new { at = o.At, until = o.Until, count = o.Count, outcome = Outcome(o), job = o.Job?.Value, reason = o.Reason, recordedAt = o.RecordedAt };

    public static void Show(IAnsiConsole screen, IReadOnlyList<ScheduleInfo> schedules, DateTimeOffset now)
    {
        var sheet = new Sheet().Add("schedule").Add("when").Add("zone", weight: 3).Add("type", weight: 4).Add("queue", weight: 1).Add("next").Add("", weight: 2);
        foreach (var s in schedules)
        {
            sheet.Row(s.Name, When(s.When), s.TimeZone, s.Type, s.Options.Queue?.Value ?? "",
                s.PausedAt is not null ? new Cell("paused", Styles.Busy) : s.NextAt is { } next ? Plain.Relative(next, now) : new Cell("over", Styles.Faint),
                new Cell(s.PausedAt is { } at ? $"since {Plain.Relative(at, now)}{(s.PausedBy is { } by ? $" by {Plain.Line(by)}" : "")}" : "", Styles.Faint));
        }

        sheet.WriteTo(screen);
    }

    public static void ShowNext(IAnsiConsole screen, IReadOnlyList<DateTimeOffset> next, TimeZoneInfo zone, DateTimeOffset now)
    {
        if (next.Count == 0)
        {
            screen.WriteLine("It never occurs any more.");
            return;
        }

        var sheet = new Sheet().Add(zone.Id).Add("UTC").Add("", weight: 1);
        foreach (var at in next)
        {
            var local = TimeZoneInfo.ConvertTime(at, zone);
            sheet.Row(local.ToString("ddd yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture), at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
                new Cell(Plain.Relative(at, now), Styles.Faint));
        }

        sheet.WriteTo(screen);
    }

    public static void Show(IAnsiConsole screen, string name, IReadOnlyList<OccurrenceInfo> history)
    {
        if (history.Count == 0)
        {
            screen.WriteLine($"Nothing is recorded of \"{name}\". `jobs schedules list` shows the schedules there are.");
            return;
        }

        var sheet = new Sheet().Add("scheduled for").Add("outcome").Add("count", right: true, weight: 2).Add("late", right: true, weight: 3).Add("job").Add("reason", weight: 4);
        foreach (var o in history)
        {
            sheet.Row(Plain.Time(o.At), new Cell(Outcome(o), o.Enqueued ? Styles.Good : Styles.Faint), Cell.Of(o.Count), Plain.Duration(o.RecordedAt - o.At),
                o.Job?.ToString() ?? "", new Cell(Plain.Line(o.Reason ?? ""), Styles.Faint));
        }

        sheet.WriteTo(screen);
    }

    /// <summary>An interval exactly, in the largest unit that divides it: as <c>add</c> takes it.</summary>
    private static string When(Recurrence when) => when.CronExpression ?? (long)when.Interval!.Value.TotalSeconds switch
    {
        var s when s % 86_400 == 0 => $"every {s / 86_400}d",
        var s when s % 3600 == 0 => $"every {s / 3600}h",
        var s when s % 60 == 0 => $"every {s / 60}m",
        var s => $"every {s}s",
    };

    private static string Outcome(OccurrenceInfo o) => o.Enqueued ? "enqueued" : "skipped";
}
