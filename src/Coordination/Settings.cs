using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Jobs.Coordination;

/// <summary>Reads options from configuration: explicit keys with their unit in the name, and an error that names key and value.</summary>
internal sealed class Settings(IConfiguration? section)
{
    public string Path { get; } = (section as IConfigurationSection)?.Path ?? "";

    public IEnumerable<Settings> Children(string key) => section?.GetSection(key).GetChildren().Select(c => new Settings(c)) ?? [];

    public string Name => (section as IConfigurationSection)?.Key ?? "";

    /// <summary>Its own value, where it has no keys below it.</summary>
    public string? Value => (section as IConfigurationSection)?.Value;

    /// <summary>Its own value as a whole number.</summary>
    public int Whole() => int.TryParse(Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value
        : throw new JobsException($"The configuration value {Path} is \"{Value}\"; it must be a whole number.");

    public string Text(string key, string current) => section?[key] ?? current;

    public string? OptionalText(string key) => section?[key];

    public bool Flag(string key, bool current) => section?[key] is not { } text ? current
        : bool.TryParse(text, out var value) ? value : throw Wrong(key, text, "true or false");

    public int Number(string key, int current) => OptionalNumber(key) ?? current;

    public int? OptionalNumber(string key) => section?[key] is not { } text ? null
        : int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(key, text, "a whole number");

    public double? Decimal(string key) => section?[key] is not { } text ? null
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(key, text, "a number");

    public TWord? Word<TWord>(string key)
        where TWord : struct, Enum => section?[key] is not { } text ? null
        : Enum.TryParse<TWord>(text, ignoreCase: true, out var value) && Enum.IsDefined(value) ? value : throw Wrong(key, text, "one of " + string.Join(", ", Enum.GetNames<TWord>()));

    public TimeSpan Seconds(string key, TimeSpan current) => section?[key] is not { } text ? current
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && Math.Abs(value) < 1e9 ? TimeSpan.FromSeconds(value)
        : throw Wrong(key, text, "a number of seconds");

    private JobsException Wrong(string key, string text, string expected) => new($"The configuration value {Path}:{key} is \"{text}\"; it must be {expected}.");
}
