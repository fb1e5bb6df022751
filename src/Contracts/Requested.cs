namespace Jobs;

/// <summary>Something that was asked for and is under way.</summary>
/// <param name="At">When, by the database clock.</param>
/// <param name="By">Who asked.</param>
/// <param name="Reason">Why, in the words of who asked.</param>
public sealed record Requested(DateTimeOffset At, string? By, string? Reason);

/// <summary>A pause of a queue: its jobs wait, those that run go on, new ones may be enqueued.</summary>
/// <param name="At">Since when, by the database clock.</param>
/// <param name="By">Who paused it.</param>
/// <param name="Reason">Why, in the words of who did it.</param>
/// <param name="Until">When it ends by itself; null: it stays until the queue is resumed.</param>
public sealed record QueuePause(DateTimeOffset At, string? By, string? Reason, DateTimeOffset? Until);
