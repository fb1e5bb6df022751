namespace Jobs;

/// <summary>Who does something to jobs or queues, and why: kept with what was changed.</summary>
public sealed record Act
{
    /// <summary>Who. At most 200 characters. Null: the app's name.</summary>
    public string? By { get; init; }

    /// <summary>Why, in your own words. At most 200 characters.</summary>
    public string? Reason { get; init; }
}
