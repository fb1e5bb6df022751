using System.Globalization;
using System.Text.RegularExpressions;

namespace Jobs.Coordination.Recurring;

/// <summary>The ranges of a cron expression's numbers, which Quartz 4.7 does not hold: it takes minute 99 for minute 0.</summary>
internal static partial class CronRanges
{
    private static readonly (string Name, int From, int To)[] Fields =
        [("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 1, 7), ("year", 1970, Delays.LastYear)];

    /// <summary>Null: no number is out of its range.</summary>
    public static string? Fault(string cron)
    {
        var fields = cron.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < Fields.Length - 1)
        {
            return null; // what is missing is said better elsewhere
        }

        foreach (var (field, (name, from, to)) in fields.Zip(Fields))
        {
            foreach (Match number in Number().Matches(field))
            {
                var step = number.Groups["step"].Success;
                var fine = int.TryParse(number.Groups["value"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                    && (step ? value >= 1 && value <= to : number.Groups["ordinal"].Success ? value is >= 0 and <= 31 : value >= from && value <= to);
                if (!fine)
                {
                    return $"The cron expression \"{cron}\" is not allowed: {(step ? $"a step of {number.Value[1..]}" : number.Value)} in its field {name} (\"{field}\"); use {(step ? 1 : from)} to {to}.";
                }
            }
        }

        return null;
    }

    // A step (/5), the n-th of a weekday (#2) or an offset from the last day (L-3), or a plain number.
    [GeneratedRegex(@"(?<step>/)?(?<ordinal>\#|L-)?(?<value>\d+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Number();
}
