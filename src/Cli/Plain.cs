using System.Globalization;
using Jobs.Producer;

namespace Jobs.Cli;

/// <summary>Values as people read and write them.</summary>
internal static class Plain
{
    private static readonly (string Unit, double Seconds)[] Units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

    /// <summary>"350 ms", "2.4 s", "42 s", "12 min", "7 h", "3 d".</summary>
    public static string Duration(TimeSpan t) => Phrase.Duration(t);

    /// <summary>How long ago, or how far ahead.</summary>
    public static string Relative(DateTimeOffset time, DateTimeOffset now) =>
        time > now + TimeSpan.FromSeconds(1) ? $"in {Duration(time - now)}" : $"{Duration(now - time)} ago";

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>The random end of an id of version 7; its start is the time, which neighbours share.</summary>
    public static string Short(Guid id) => id.ToString("N")[^8..];

    /// <summary>One line, whatever is in the text: what a job carries must not move the cursor.</summary>
    public static string Line(string text) => string.Create(text.Length, text, static (span, source) =>
    {
        for (var i = 0; i < span.Length; i++)
        {
            span[i] = char.IsControl(source[i]) ? ' ' : source[i];
        }
    });

    /// <summary>Several lines, but no other control characters.</summary>
    public static string Lines(string text) => string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(Line));

    /// <exception cref="FormatException">Neither seconds nor a number with a unit.</exception>
    public static TimeSpan ParseDuration(string text)
    {
        var digits = text.TrimEnd("abcdefghijklmnopqrstuvwxyz ".ToCharArray());
        var unit = text[digits.Length..].Trim();
        var seconds = unit.Length == 0 ? 1 : Array.Find(Units, u => u.Unit == unit).Seconds;
        if (seconds > 0 && double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number * seconds < 1e9)
        {
            return TimeSpan.FromSeconds(number * seconds);
        }

        throw new FormatException($"The delay \"{text}\" is not allowed; use seconds, or a number with ms, s, m, h or d, for example 90 or 5m.");
    }

    /// <exception cref="FormatException">Not ISO 8601.</exception>
    public static DateTimeOffset ParseTime(string text) =>
        text.Length >= 10 && text[4] == '-' && text[7] == '-'
        && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw new FormatException($"The time \"{text}\" is not allowed; use ISO 8601, for example 2030-01-31T08:00:00Z (without an offset it is UTC).");
}
