using System.CommandLine;
using System.CommandLine.Parsing;

namespace Jobs.Cli.Commands;

/// <summary>Options whose text becomes a value with rules; a broken rule is said in the value's own words.</summary>
internal static class Values
{
    public static Option<T> Option<T>(string name, string help, string description, Func<string, T> parse) =>
        new(name) { HelpName = help, Description = description, CustomParser = result => Parse(result, parse) };

    /// <summary>An option that may be given several times.</summary>
    public static Option<T[]> Options<T>(string name, string help, string description, Func<string, T> parse) => new(name)
    {
        HelpName = help,
        Description = description + "; may be repeated",
        CustomParser = result => [.. result.Tokens.Select(token => Parse(result, _ => parse(token.Value))!)],
    };

    public static Argument<T> Argument<T>(string name, string description, Func<string, T> parse) =>
        new(name) { Description = description, CustomParser = result => Parse(result, parse) };

    /// <summary>One of the states, by its name.</summary>
    public static JobState State(string text) =>
        Enum.TryParse<JobState>(text, ignoreCase: true, out var state) && Enum.IsDefined(state) && !char.IsAsciiDigit(text[0]) ? state
            : throw new FormatException($"The state \"{text}\" does not exist; use one of {string.Join(", ", Enum.GetValues<JobState>().Select(Postgres.Words.Of))}.");

    /// <summary>NAME=VALUE.</summary>
    public static KeyValuePair<string, string> Pair(string text) => text.IndexOf('=', StringComparison.Ordinal) is > 0 and var at ? new(text[..at], text[(at + 1)..])
        : throw new FormatException($"\"{text}\" is not NAME=VALUE; write for example tenant=42.");

    /// <summary>As a dictionary.</summary>
    /// <exception cref="UsageException">A name is there twice.</exception>
    public static IReadOnlyDictionary<string, string> Pairs(string option, IEnumerable<KeyValuePair<string, string>>? pairs)
    {
        var dictionary = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in pairs ?? [])
        {
            if (!dictionary.TryAdd(name, value))
            {
                throw new UsageException($"{option} names \"{name}\" twice; give each name once.");
            }
        }

        return dictionary;
    }

    public static int WholeNumber(string text) => int.TryParse(text, out var number) ? number
        : throw new FormatException($"\"{text}\" is not a whole number.");

    private static T? Parse<T>(ArgumentResult result, Func<string, T> parse)
    {
        try
        {
            return parse(result.Tokens[0].Value);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            result.AddError(Complaints.WithoutParameter(e.Message));
            return default;
        }
    }
}
