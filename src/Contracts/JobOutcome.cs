namespace Jobs;

/// <summary>How an attempt ended, when the handler says so itself. A closed set: done, retry after, snooze, rate limited, fail.</summary>
public abstract record JobOutcome
{
    private JobOutcome()
    {
    }

    /// <summary>Done, without a result.</summary>
    public static readonly JobOutcome Succeeded = new Done(null);

    /// <summary>Done, with a result that is stored as JSON beside the ended job. Same size limit as arguments.</summary>
    public static JobOutcome WithResult(object result) => new Done(result ?? throw new ArgumentNullException(nameof(result)));

    /// <summary>This attempt failed: try again after <paramref name="delay"/> instead of the type's own delay. Uses up an attempt.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or over 10 years.</exception>
    public static JobOutcome RetryAfter(TimeSpan delay, string reason) => new Retry(Delays.Check(delay), reason);

    /// <summary>Not now: run again after <paramref name="delay"/>. Uses up no attempt.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or over 10 years.</exception>
    public static JobOutcome SnoozeFor(TimeSpan delay) => new Snooze(Delays.Check(delay));

    /// <summary>
    /// The other side said to come back later (HTTP 429): no job behind the same limits is started before <paramref name="retryAfter"/> has passed, anywhere. Uses up no attempt; this job
    /// waits with the others, first by priority and age.
    /// </summary>
    /// <param name="retryAfter">0 to 10 years, counted by the database from when it is written down.</param>
    /// <param name="limit">The limit it concerns, which need not be one of this job's. Null: all of this job's that have a rate; if none has, all of them.</param>
    /// <remarks>A job that no limit knows waits alone, and the worker logs a warning. Jobs that were claimed a little ahead (up to 100 ms) for their rate may still start.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or over 10 years.</exception>
    /// <exception cref="ArgumentException">No limit can have that name.</exception>
    public static JobOutcome RateLimited(TimeSpan retryAfter, string? limit = null) =>
        new Limited(Delays.Check(retryAfter), limit is null ? null : NameRule.Check(limit, "limit's name"));

    /// <summary>Failed for good: no further attempt.</summary>
    public static JobOutcome FailNow(string reason) => new Fail(reason);

    /// <param name="Result">Null: none.</param>
    /// <param name="Declared">The type as which it is written; null: its own.</param>
    internal sealed record Done(object? Result, Type? Declared = null) : JobOutcome;

    internal sealed record Retry(TimeSpan Delay, string Reason) : JobOutcome;

    internal sealed record Snooze(TimeSpan Delay) : JobOutcome;

    internal sealed record Limited(TimeSpan Delay, string? Limit) : JobOutcome;

    internal sealed record Fail(string Reason) : JobOutcome;
}

/// <summary>The one rule for delays: 0 to 10 years.</summary>
internal static class Delays
{
    public static readonly TimeSpan Max = TimeSpan.FromDays(3653);

    public static TimeSpan Check(TimeSpan delay) => delay >= TimeSpan.Zero && delay <= Max ? delay
        : throw new ArgumentOutOfRangeException(nameof(delay), delay, $"The delay {delay} is not allowed; use 0 to {Max.Days} days (10 years).");

    /// <summary>A time that no delay could reach is a mistake, not a plan. The exact limit is applied on the database clock.</summary>
    public static DateTimeOffset CheckTime(DateTimeOffset time) => time.Year <= LastYear ? time
        : throw new ArgumentOutOfRangeException(nameof(time), time, $"The time {time:O} is not allowed; use a time before the year {LastYear + 1}.");

    internal const int LastYear = 2199;

    public static readonly TimeSpan MaxTimeout = TimeSpan.FromDays(30);

    public static TimeSpan CheckTimeout(TimeSpan timeout) => timeout >= TimeSpan.FromMilliseconds(10) && timeout <= MaxTimeout ? timeout
        : throw new ArgumentOutOfRangeException(nameof(timeout), timeout, $"The timeout {timeout} is not allowed; use 10 ms to {MaxTimeout.Days} days.");

    public static TimeSpan CheckExpiry(TimeSpan expires) => expires > TimeSpan.Zero && expires <= Max ? expires
        : throw new ArgumentOutOfRangeException(nameof(expires), expires, $"The expiry {expires} is not allowed; use more than 0, up to {Max.Days} days (10 years).");
}
