namespace Jobs;

/// <summary>How bad it is.</summary>
public enum Health
{
    /// <summary>As it should be.</summary>
    Ok,
    /// <summary>Jobs run, and somebody should look at it by day.</summary>
    Warn,
    /// <summary>Jobs do not run, or not all of them.</summary>
    Bad,
}

/// <summary>The state of an installation.</summary>
/// <param name="Checks">What was looked at, in a fixed order.</param>
public sealed record Diagnosis(IReadOnlyList<Checkup> Checks)
{
    /// <summary>The worst of all.</summary>
    public Health Verdict => Checks.Count == 0 ? Health.Ok : Checks.Max(c => c.Verdict);
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Name">One of a closed set of names; docs/OPERATIONS.md lists them.</param>
/// <param name="Verdict">How bad it is.</param>
/// <param name="Text">What was seen.</param>
public sealed record Checkup(string Name, Health Verdict, string Text)
{
    /// <summary>What to do; null when nothing is to be done.</summary>
    public string? Remedy { get; init; }
    /// <summary>How many, where it is a number.</summary>
    public long? Value { get; init; }
    /// <summary>Since when, of the oldest, by the database clock.</summary>
    public DateTimeOffset? Oldest { get; init; }
}
