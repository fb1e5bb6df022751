namespace Jobs;

/// <summary>One line of the story of a job.</summary>
/// <param name="At">When, by the database clock.</param>
/// <param name="What">
/// What happened, one of a closed set of words: <c>enqueued</c>, <c>parentEnded</c>, <c>started</c>, <c>leftOut</c>, <c>retriedAs</c>, the state it ended in, and those of <see cref="JobEvent"/>.
/// </param>
/// <param name="Text">The same as a sentence without its time, for people.</param>
public sealed record TimelineEntry(DateTimeOffset At, string What, string Text)
{
    /// <summary>Who did it, when somebody did: an app, a schedule, <c>user@host</c>.</summary>
    public string? By { get; init; }
    /// <summary>Why, in the words of who did it.</summary>
    public string? Reason { get; init; }
    /// <summary>The attempt it is about.</summary>
    public int? Attempt { get; init; }
    /// <summary>The session of the worker it is about.</summary>
    public Guid? Session { get; init; }
    /// <summary>That worker: the machine's name, the program's, the process. Null when it is not known any more (after 90 days).</summary>
    public string? Worker { get; init; }
    /// <summary>How long the attempt took, when this is its end.</summary>
    public TimeSpan? Took { get; init; }
    /// <summary>Why the attempt failed, when it did.</summary>
    public JobError? Error { get; init; }
    /// <summary>When the job is due again.</summary>
    public DateTimeOffset? DueAt { get; init; }
    /// <summary>The value before, of what was changed.</summary>
    public string? From { get; init; }
    /// <summary>The value after.</summary>
    public string? To { get; init; }
    /// <summary>The other job it is about: the one it waited for, its earlier or its later life.</summary>
    public JobId? Other { get; init; }
}
