using Quartz;

namespace Jobs.Coordination.Recurring;

/// <summary>The rules for the values of a schedule, in one place for every way in.</summary>
internal static class ScheduleRules
{
    public const string DefaultZone = "UTC";
    private const int MaxCronLength = 200;
    private const int MaxExcluded = 1000;
    private const int FirstYear = 1970;
    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxInterval = TimeSpan.FromDays(366);
    private static readonly DateTimeOffset LongAgo = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <exception cref="ArgumentException">A value breaks its rule; the message names it and says what is allowed.</exception>
    public static void Check(string name, Recurrence when, string? tz, RecurringOptions? options)
    {
        if (Faults(name, when, tz, options).FirstOrDefault() is { } fault)
        {
            throw new ArgumentException(fault);
        }
    }

    /// <summary>Every fault, as a sentence that names the value and the remedy.</summary>
    public static IEnumerable<string> Faults(string? name, Recurrence? when, string? tz, RecurringOptions? options)
    {
        var faults = new[] { NameRule.Fault(name, "schedule name"), WhenFault(when), ZoneFault(tz) }.OfType<string>();
        return options is null ? faults : faults.Concat(OptionFaults(options));
    }

    /// <summary>Who did it: any words, but not too many.</summary>
    /// <exception cref="ArgumentException">More than 200 characters, or a control character.</exception>
    public static void CheckBy(string? by)
    {
        if (by is not null && NameRule.KeyFault(by, "name of who pauses it") is { } fault)
        {
            throw new ArgumentException(fault, nameof(by));
        }
    }

    private static string? WhenFault(Recurrence? when) => when switch
    {
        null => "The schedule has no recurrence; give a cron expression, for example \"0 30 2 * * ?\", or an interval.",
        { CronExpression: { } cron } => CronFault(cron),
        { Interval: { } every } when every < MinInterval || every > MaxInterval || every.Ticks % TimeSpan.TicksPerSecond != 0 =>
            $"The interval {every} is not allowed; use whole seconds, 1 s to {MaxInterval.Days} days.",
        _ => null,
    };

    private static string? CronFault(string cron)
    {
        if (cron.Length > MaxCronLength)
        {
            return $"The cron expression \"{cron[..24]}...\" has {cron.Length} characters; at most {MaxCronLength} are allowed.";
        }

        if (CronRanges.Fault(cron) is { } outOfRange)
        {
            return outOfRange;
        }

        try
        {
            return new CronExpression(cron, TimeZoneInfo.Utc).GetNextValidTimeAfter(LongAgo) is null
                ? $"The cron expression \"{cron}\" never occurs: there is no such day. Correct its day, month or year." : null;
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            var fields = cron.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
            return fields == 5
                ? $"The cron expression \"{cron}\" has 5 fields; here the first one is for seconds: did you mean \"{Nearest(cron)}\"?"
                : $"The cron expression \"{cron}\" is not allowed ({e.Message.TrimEnd('.')}); use second minute hour day-of-month month day-of-week [year], for example \"0 30 2 * * ?\".";
        }
    }

    /// <summary>Unix counts the days of the week from 0, Quartz from 1.</summary>
    private static string Nearest(string unix) => CronExpression.TryParse(unix, CronFormat.Unix, out var cron) ? cron.CronExpressionString : "0 " + unix;

    private static string? ZoneFault(string? tz)
    {
        // What has been found once is found again in any case of letters; what is stored must be found by every machine.
        if (tz is null || (tz.Length is > 0 and <= 100 && TimeZoneInfo.TryFindSystemTimeZoneById(tz, out var zone)
            && (zone.Id == tz || !zone.Id.Equals(tz, StringComparison.OrdinalIgnoreCase))))
        {
            return null;
        }

        var near = TimeZoneInfo.GetSystemTimeZones().Select(z => z.Id).FirstOrDefault(id => tz.Length > 2
            && (id.Equals(tz, StringComparison.OrdinalIgnoreCase) || id.EndsWith("/" + tz.Replace(' ', '_'), StringComparison.OrdinalIgnoreCase)
                || (id.Length == tz.Length && id.Where((c, i) => char.ToUpperInvariant(c) != char.ToUpperInvariant(tz[i])).Count() <= 2)));
        return $"The time zone \"{(tz.Length > 100 ? tz[..24] + "..." : tz)}\" is not known; {(near is null ? "use an IANA name, for example Europe/Berlin." : $"did you mean \"{near}\"?")}";
    }

    private static IEnumerable<string> OptionFaults(RecurringOptions options)
    {
        foreach (var (what, time) in new[] { ("start", options.Start), ("end", options.End) })
        {
            if (time is { } t && (t.Year < FirstYear || t.Year > Delays.LastYear))
            {
                yield return $"The {what} {t:O} is not allowed; use a time from the year {FirstYear} to {Delays.LastYear}.";
            }
        }

        if (options.End <= (options.Start ?? DateTimeOffset.MinValue))
        {
            yield return $"The end {options.End:O} is not after the start {options.Start:O}; use a later one.";
        }

        if (options.ExcludedDays.Count > MaxExcluded)
        {
            yield return $"The schedule excludes {options.ExcludedDays.Count} days; at most {MaxExcluded:N0} are allowed. Exclude weekdays and dates of every year where that is meant.";
        }

        if (options.OnMissingTime is { } missing && !Enum.IsDefined(missing))
        {
            yield return $"OnMissingTime {missing} does not exist; use one of {string.Join(", ", Enum.GetNames<OnMissingTime>())}.";
        }

        if (options.OnRepeatedTime is { } repeated && !Enum.IsDefined(repeated))
        {
            yield return $"OnRepeatedTime {repeated} does not exist; use one of {string.Join(", ", Enum.GetNames<OnRepeatedTime>())}.";
        }

        if (!Enum.IsDefined(options.Overlap))
        {
            yield return $"Overlap {options.Overlap} does not exist; use one of {string.Join(", ", Enum.GetNames<Overlap>())}.";
        }
    }
}
