namespace Jobs;

/// <summary>One reason why a job is where it is.</summary>
/// <param name="Code">For programs, one of a closed set of words; docs/OPERATIONS.md lists them.</param>
/// <param name="Text">For people: sentences with names and numbers, and what to do where something is to be done.</param>
public sealed record Explanation(string Code, string Text)
{
    /// <summary>Since when it has been so, by the database clock, where that is known.</summary>
    public DateTimeOffset? Since { get; init; }
    /// <summary>When it will be over, where that is known.</summary>
    public DateTimeOffset? Until { get; init; }
}
