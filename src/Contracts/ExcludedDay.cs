using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Jobs;

/// <summary>A day without occurrences: one date (<c>2026-12-24</c>), a date of every year (<c>12-25</c>), or a day of every week (<c>saturday</c>).</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
public readonly record struct ExcludedDay : IParsable<ExcludedDay>
{
    private const int LeapYear = 2000; // every date of a year exists in it

    private readonly DayOfWeek? _weekday;
    private readonly DateOnly _date;
    private readonly bool _yearly;

    private ExcludedDay(DateOnly date, bool yearly, DayOfWeek? weekday) => (_date, _yearly, _weekday) = (date, yearly, weekday);

    /// <summary>One date.</summary>
    public static ExcludedDay On(DateOnly date) => new(date, false, null);

    /// <summary>This date of every year.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such date.</exception>
    public static ExcludedDay Yearly(int month, int day) => new(new DateOnly(LeapYear, month, day), true, null);

    /// <summary>This day of every week.</summary>
    public static ExcludedDay Weekly(DayOfWeek day) => new(default, false, day);

    /// <inheritdoc cref="On"/>
    public static implicit operator ExcludedDay(DateOnly date) => On(date);

    /// <inheritdoc cref="Weekly"/>
    public static implicit operator ExcludedDay(DayOfWeek day) => Weekly(day);

    /// <exception cref="FormatException">None of the three forms.</exception>
    public static ExcludedDay Parse(string s, IFormatProvider? provider = null) => TryParse(s, provider, out var day) ? day
        : throw new FormatException($"The excluded day \"{s}\" is not allowed; use a date (2026-12-24), a date of every year (12-25) or a day of the week (saturday).");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out ExcludedDay result)
    {
        result = default;
        if (DateOnly.TryParseExact(s, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date))
        {
            result = On(date);
        }
        else if (DateOnly.TryParseExact($"{LeapYear}-{s}", "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out date))
        {
            result = Yearly(date.Month, date.Day);
        }
        else if (s is { Length: > 2 } && !char.IsAsciiDigit(s[0]) && Enum.TryParse<DayOfWeek>(s, ignoreCase: true, out var weekday) && Enum.IsDefined(weekday))
        {
            result = Weekly(weekday);
        }
        else
        {
            return false;
        }

        return true;
    }

    internal bool Covers(DateOnly day) => _weekday is { } weekday ? day.DayOfWeek == weekday : _yearly ? (day.Month, day.Day) == (_date.Month, _date.Day) : day == _date;

    /// <summary>As <see cref="Parse"/> reads it.</summary>
    public override string ToString() => _weekday is { } weekday ? weekday.ToString().ToLowerInvariant()
        : _date.ToString(_yearly ? "MM-dd" : "yyyy-MM-dd", CultureInfo.InvariantCulture);
}
