namespace Jobs.Coordination.Recurring;

/// <summary>The time line of a zone, cut where its offset from UTC changes.</summary>
internal sealed class ZoneLine(TimeZoneInfo zone)
{
    /// <summary>Nothing repeats from further back: the longest overlap that any zone ever had is a day.</summary>
    private static readonly TimeSpan LookBack = TimeSpan.FromHours(48);
    private static readonly TimeSpan LookAhead = TimeSpan.FromDays(400);
    private static readonly TimeSpan Step = TimeSpan.FromHours(6); // no zone changes its offset twice in that time

    private Tuple<DateTimeOffset, Stretch>? _last;

    /// <summary>The stretch with one offset that holds this instant. It may be cut short where nothing changes.</summary>
    public Stretch At(DateTimeOffset instant)
    {
        if (_last is { } last && instant >= last.Item1 && instant < last.Item2.End)
        {
            return last.Item2;
        }

        var offset = zone.GetUtcOffset(instant);
        var floor = Shift(instant, -LookBack);
        var start = instant;
        while (start > floor && zone.GetUtcOffset(start - Step) == offset)
        {
            start -= Step;
        }

        var (from, before) = start > floor ? (ChangeIn(start - Step, start), zone.GetUtcOffset(start - Step)) : (start, offset);
        var ceiling = Shift(instant, LookAhead);
        var end = instant;
        while (end < ceiling && zone.GetUtcOffset(end + Step) == offset)
        {
            end += Step;
        }

        var (to, after) = end < ceiling ? (ChangeIn(end, end + Step), zone.GetUtcOffset(end + Step)) : (end, offset);
        var stretch = new Stretch(from, to, offset, before, after);
        _last = Tuple.Create(instant, stretch);
        return stretch;
    }

    /// <summary>The first whole second with the later offset.</summary>
    private DateTimeOffset ChangeIn(DateTimeOffset low, DateTimeOffset high)
    {
        var offset = zone.GetUtcOffset(low);
        var (a, b) = (low.ToUnixTimeSeconds(), high.ToUnixTimeSeconds() + 1);
        while (b - a > 1)
        {
            var middle = a + ((b - a) / 2);
            (a, b) = zone.GetUtcOffset(DateTimeOffset.FromUnixTimeSeconds(middle)) == offset ? (middle, b) : (a, middle);
        }

        return DateTimeOffset.FromUnixTimeSeconds(b);
    }

    private static DateTimeOffset Shift(DateTimeOffset instant, TimeSpan by) =>
        DateTimeOffset.FromUnixTimeSeconds(Math.Clamp((instant + by).ToUnixTimeSeconds(), DateTimeOffset.UnixEpoch.ToUnixTimeSeconds(), LastSecond));

    private static readonly long LastSecond = new DateTimeOffset(9000, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds();
}

/// <summary>From <see cref="Start"/> up to before <see cref="End"/> the zone has one offset; before and after it another, or the same where the line was only cut.</summary>
internal sealed record Stretch(DateTimeOffset Start, DateTimeOffset End, TimeSpan Offset, TimeSpan Before, TimeSpan After)
{
    /// <summary>What a clock on the wall shows at this instant of this stretch, written as if it were UTC.</summary>
    public DateTimeOffset Wall(DateTimeOffset instant) => instant.ToUniversalTime() + Offset;
}
