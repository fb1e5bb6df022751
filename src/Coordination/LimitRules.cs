namespace Jobs.Coordination;

/// <summary>What a limit may be. Checked before anything is written.</summary>
internal static class LimitRules
{
    private const int MostSlots = 1_000_000;
    private const double MostPerSecond = 1_000_000;
    private static readonly TimeSpan ShortestPeriod = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestPeriod = TimeSpan.FromDays(31);
    private const int DeepestPath = 8;
    private const int MostValue = 1000;

    /// <exception cref="ArgumentException">It may not; the text says why, and what is allowed.</exception>
    public static void Check(JobLimit limit)
    {
        ArgumentNullException.ThrowIfNull(limit);
        if (Fault(limit) is { } fault)
        {
            throw new ArgumentException($"The limit \"{limit.Name}\" is not allowed: {fault}", nameof(limit));
        }
    }

    /// <summary>Numbers for one value of a key. Whether the limit has a key and a rate is seen when they are written.</summary>
    /// <exception cref="ArgumentException">They may not be.</exception>
    public static void CheckKey(string name, string keyValue, int? slots, double? tokens)
    {
        CheckValue(name, keyValue);
        if ((slots is null && tokens is null ? "it has neither slots nor tokens; give one of them, or clear it."
            : slots is < 0 or > MostSlots ? $"{slots} slots; use 0 to {MostSlots:N0}."
            : tokens is { } t && !(t > 0 && double.IsFinite(t)) ? $"{t} tokens; use more than 0." : null) is { } fault)
        {
            throw new ArgumentException($"The limit \"{name}\" for \"{keyValue}\" is not allowed: {fault}");
        }
    }

    /// <exception cref="ArgumentException">It names no limit, or is no value of a key.</exception>
    public static void CheckValue(string name, string keyValue)
    {
        NameRule.Check(name, "limit's name");
        ArgumentNullException.ThrowIfNull(keyValue);
        if (keyValue.Length > MostValue || keyValue.Contains('\0') || !NameRule.IsUnicode(keyValue))
        {
            throw new ArgumentException($"The value of the key of limit \"{name}\" is not allowed: {(keyValue.Length > MostValue ? $"it has {keyValue.Length:N0} characters; use at most {MostValue:N0}." : "no JSON in the database holds it.")}");
        }
    }

    /// <returns>Null: it is allowed.</returns>
    public static string? Fault(JobLimit limit) =>
        NameRule.Fault(limit.Name, "name")
        ?? (limit.Queue is null ? null : NameRule.Fault(limit.Queue, "queue name"))
        ?? (limit.Type is null ? null : NameRule.Fault(limit.Type, "job type"))
        ?? PathFault(limit.Key, "key")
        ?? (limit is { Queue: null, Type: null, Key: null } ? "it names no queue, no type and no key; give at least one of them." : null)
        ?? (limit is { Slots: null, Rate: null } ? "it has neither slots nor a rate; give one of them, or remove it." : null)
        ?? (limit.Slots is < 0 or > MostSlots ? $"{limit.Slots} slots; use 0 to {MostSlots:N0}." : null)
        ?? (limit.Rate is { } rate ? RateFault(rate) : null);

    private static string? RateFault(RateLimit rate) =>
        !(rate.Tokens > 0 && double.IsFinite(rate.Tokens)) ? $"{rate.Tokens} tokens; use more than 0."
        : rate.Per < ShortestPeriod || rate.Per > LongestPeriod ? $"a period of {rate.Per}; use 1 ms to 31 days."
        : rate.Tokens / rate.Per.TotalSeconds > MostPerSecond ? $"{rate.Tokens / rate.Per.TotalSeconds:N0} tokens a second; use at most {MostPerSecond:N0}."
        : rate.Burst is not null && rate.Algorithm != RateAlgorithm.TokenBucket ? $"a burst of {rate.Burst} with {rate.Algorithm}; only a token bucket has one."
        : rate.Burst is { } burst && !(burst >= 1 && burst <= 1e9) ? $"a burst of {burst}; use 1 to 1,000,000,000."
        : !Enum.IsDefined(rate.Algorithm) ? $"the algorithm {rate.Algorithm}; use one of {string.Join(", ", Enum.GetNames<RateAlgorithm>())}."
        : PathFault(rate.Cost, "cost");

    /// <summary>Names joined by dots, as they stand in the JSON.</summary>
    public static string? PathFault(string? path, string what) =>
        path is null ? null
        : path.Split('.') is var names && (names.Length > DeepestPath || Array.Exists(names, n => n.Length is 0 or > 100 || n.Any(char.IsControl)))
            ? $"the {what} \"{path}\" is no path; use up to {DeepestPath} names of the JSON joined by dots, for example tenantId or customer.id."
        : null;
}
