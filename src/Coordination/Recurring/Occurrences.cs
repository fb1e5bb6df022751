using Jobs.Postgres;
using Quartz;

namespace Jobs.Coordination.Recurring;

/// <summary>
/// The instants of a schedule. A cron expression is followed along the clock on the wall, and what that shows is turned into instants by the named rules; an interval is
/// counted in elapsed time.
/// </summary>
internal sealed class Occurrences
{
    /// <summary>How many skipped occurrences are passed over to find one that is not; beyond that there is none.</summary>
    private const int MostSkipped = 1_000_000;

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly CronExpression? _cron;
    private readonly TimeSpan _every;
    private readonly DateTimeOffset _anchor;
    private readonly TimeZoneInfo _zone;
    private readonly ZoneLine _line;
    private readonly DateTimeOffset? _start;
    private readonly DateTimeOffset? _end;
    private readonly ExcludedDay[] _excluded;
    private readonly OnMissingTime _missing;
    private readonly OnRepeatedTime _repeated;
    private readonly bool _tellsMissing;

    /// <param name="when">What <see cref="ScheduleRules"/> has let pass, as all that follows.</param>
    /// <param name="zone">IANA name.</param>
    /// <param name="options">Start, end, excluded days, rules.</param>
    /// <param name="created">An interval without a start is counted from here.</param>
    public Occurrences(Recurrence when, string zone, RecurringOptions options, DateTimeOffset created)
    {
        _zone = TimeZoneInfo.FindSystemTimeZoneById(zone);
        _line = new ZoneLine(_zone);
        (_start, _end) = (options.Start, options.End);
        _excluded = [.. options.ExcludedDays];
        if (when.CronExpression is { } cron)
        {
            _cron = new CronExpression(cron, TimeZoneInfo.Utc);
            var fixedHours = HasFixedHours(_cron);
            _missing = options.OnMissingTime ?? (fixedHours ? OnMissingTime.RunAfter : OnMissingTime.Skip);
            _repeated = options.OnRepeatedTime ?? (fixedHours ? OnRepeatedTime.First : OnRepeatedTime.Both);
            _tellsMissing = fixedHours;
        }

        _every = when.Interval ?? TimeSpan.Zero;
        _anchor = options.Start ?? DateTimeOffset.FromUnixTimeSeconds(created.ToUnixTimeSeconds());
    }

    public static Occurrences Of(ScheduleRow schedule) => new(schedule.When, schedule.Zone, schedule.Options, schedule.CreatedAt);

    /// <summary>All after this instant, in order; also those that are to be skipped, with the reason.</summary>
    public IEnumerable<Slot> After(DateTimeOffset instant)
    {
        var from = _start is { } start && start > instant ? start.AddTicks(-1) : instant;
        foreach (var slot in _cron is null ? ByInterval(from) : ByClock(from))
        {
            if (slot.At > _end)
            {
                yield break;
            }

            yield return slot.Skip is null && IsExcluded(slot.At) ? slot with { Skip = "excluded day" } : slot;
        }
    }

    /// <summary>The first after this instant that is not to be skipped.</summary>
    public DateTimeOffset? Next(DateTimeOffset instant)
    {
        var passed = 0;
        while (passed < MostSkipped)
        {
            DateTimeOffset? skipped = null;
            foreach (var slot in After(instant))
            {
                if (slot.Skip is null)
                {
                    return slot.At;
                }

                passed++;
                skipped = slot.At;
                if (IsExcluded(slot.At))
                {
                    break;
                }

                if (passed >= MostSkipped)
                {
                    return null;
                }
            }

            if (skipped is not { } at)
            {
                return null;
            }

            instant = RestOfDay(at);
        }

        return null;
    }

    /// <summary>The last moment of this instant's day, or before the clocks are changed on it.</summary>
    private DateTimeOffset RestOfDay(DateTimeOffset instant)
    {
        var stretch = _line.At(instant);
        var midnight = new DateTimeOffset(stretch.Wall(instant).Date.AddDays(1), TimeSpan.Zero) - stretch.Offset;
        return (midnight < stretch.End ? midnight : stretch.End).AddTicks(-1);
    }

    /// <summary>Hours that are numbers and ranges of them, but not all of the day.</summary>
    private static bool HasFixedHours(CronExpression cron)
    {
        var hours = cron.CronExpressionString.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[2];
        return !hours.Contains('*') && !hours.Contains('/') && !hours.Contains('?') && hours is not "0-23" and not "00-23";
    }

    private bool IsExcluded(DateTimeOffset instant)
    {
        if (_excluded.Length == 0)
        {
            return false;
        }

        var day = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(instant, _zone).DateTime);
        return Array.Exists(_excluded, e => e.Covers(day));
    }

    private IEnumerable<Slot> ByInterval(DateTimeOffset after)
    {
        var n = after < _anchor ? 0 : ((after - _anchor).Ticks / _every.Ticks) + 1;
        for (var at = _anchor + (n * _every); at.Year < 9000; at += _every)
        {
            yield return new Slot(at.ToUniversalTime(), null);
        }
    }

    private IEnumerable<Slot> ByClock(DateTimeOffset after)
    {
        var stretch = _line.At(after);
        var wall = stretch.Wall(after);
        while (true)
        {
            while (Following(wall) is { } next && next - stretch.Offset < stretch.End)
            {
                wall = next;
                var first = stretch.After < stretch.Offset && next >= stretch.End + stretch.After; // the clock will show it again
                var second = stretch.Before > stretch.Offset && next < stretch.Start + stretch.Before; // the clock has shown it before
                if ((!first || _repeated is not OnRepeatedTime.Second) && (!second || _repeated is not OnRepeatedTime.First))
                {
                    yield return new Slot(next - stretch.Offset, null);
                }
            }

            if (Following(wall) is null && stretch.After >= stretch.Offset)
            {
                yield break; // nor does a clock that is put back show an earlier time
            }

            var (end, from, to) = (stretch.End, stretch.End + stretch.Offset, stretch.End + stretch.After);
            stretch = _line.At(end);
            wall = to - Second;
            if (Following(from - Second) is { } inGap && inGap < to)
            {
                // The clock is put forward over it. What the expression itself has at the end of the gap is the same instant, and comes once.
                if (_missing == OnMissingTime.RunAfter)
                {
                    wall = to;
                    yield return new Slot(end, null);
                }
                else if (_tellsMissing && Following(to - Second) != to)
                {
                    yield return new Slot(end, "its local time does not exist on this day");
                }
            }
        }
    }

    private DateTimeOffset? Following(DateTimeOffset wall) => _cron!.GetNextValidTimeAfter(wall);
}

/// <summary>An instant of a schedule, and why it is to be skipped, if it is.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct Slot(DateTimeOffset At, string? Skip);
