namespace Jobs;

/// <summary>How a recurring job is enqueued and what its rules are. Everything has a default.</summary>
public sealed record RecurringOptions
{
    /// <summary>Default: the queue of the job's attribute.</summary>
    public QueueName? Queue { get; init; }

    /// <summary>0 to 31. Default <see cref="JobPriority.Normal"/>, 16.</summary>
    public JobPriority Priority { get; init; } = JobPriority.Normal;

    /// <summary>No occurrence before this; an interval is counted from here. Default: from when the schedule was added. The year 2199 is the last.</summary>
    public DateTimeOffset? Start { get; init; }

    /// <summary>No occurrence after this. Later than <see cref="Start"/>. Default: none.</summary>
    public DateTimeOffset? End { get; init; }

    /// <summary>Days of the schedule's time zone without occurrences; what would have been one is recorded as skipped. At most 1,000.</summary>
    public IReadOnlyCollection<ExcludedDay> ExcludedDays { get; init; } = [];

    /// <summary>
    /// The local time does not exist, because clocks are put forward over it. Default: <see cref="Jobs.OnMissingTime.RunAfter"/> for expressions with fixed hours
    /// (<c>0 30 2 * * ?</c>), <see cref="Jobs.OnMissingTime.Skip"/> for those that go through all hours (<c>0 */10 * * * ?</c>).
    /// </summary>
    public OnMissingTime? OnMissingTime { get; init; }

    /// <summary>
    /// The local time exists twice, because clocks are put back over it. Default: <see cref="Jobs.OnRepeatedTime.First"/> for expressions with fixed hours,
    /// <see cref="Jobs.OnRepeatedTime.Both"/> for those that go through all hours.
    /// </summary>
    public OnRepeatedTime? OnRepeatedTime { get; init; }

    /// <summary>Occurrences that could not be recorded within a minute, because no scheduler ran. Default <see cref="Jobs.AfterOutage.One"/>: the latest of them.</summary>
    public AfterOutage AfterOutage { get; init; } = AfterOutage.One;

    /// <summary>The run before has not ended. Default <see cref="Jobs.Overlap.Allow"/>.</summary>
    public Overlap Overlap { get; init; }
}

/// <summary>What becomes of an occurrence whose local time does not exist.</summary>
public enum OnMissingTime
{
    /// <summary>It is enqueued at the first instant after the gap.</summary>
    RunAfter,
    /// <summary>There is no occurrence.</summary>
    Skip,
}

/// <summary>What becomes of an occurrence whose local time exists twice.</summary>
public enum OnRepeatedTime
{
    /// <summary>It is enqueued the first time.</summary>
    First,
    /// <summary>It is enqueued the second time.</summary>
    Second,
    /// <summary>It is enqueued both times.</summary>
    Both,
}

/// <summary>What becomes of a due occurrence while the job of the one before it has not ended.</summary>
public enum Overlap
{
    /// <summary>It is enqueued all the same.</summary>
    Allow,
    /// <summary>It is recorded as skipped.</summary>
    Skip,
    /// <summary>It is enqueued, and waits for the end of the one before, however that ends.</summary>
    Queue,
    /// <summary>The one before is cancelled: at once if it waits, by its token if it runs. This one is enqueued.</summary>
    CancelPrevious,
}

/// <summary>What becomes of occurrences that were missed while no scheduler ran. What is not enqueued is recorded as skipped.</summary>
public readonly record struct AfterOutage
{
    internal const int MaxAll = 1000;

    private readonly bool _given;
    private readonly int _max;

    private AfterOutage(int max) => (_given, _max) = (true, max);

    /// <summary>None of them is enqueued.</summary>
    public static AfterOutage Skip { get; } = new(0);

    /// <summary>The latest is enqueued.</summary>
    public static AfterOutage One { get; } = new(1);

    /// <summary>How many are enqueued at most, the latest ones.</summary>
    public int Max => _given ? _max : 1;

    /// <summary>The latest <paramref name="max"/> are enqueued.</summary>
    /// <param name="max">1 to 1,000.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another number.</exception>
    public static AfterOutage All(int max) => max is >= 1 and <= MaxAll ? new(max)
        : throw new ArgumentOutOfRangeException(nameof(max), max, $"AfterOutage.All({max}) is not allowed; use 1 to {MaxAll}.");

    internal static AfterOutage Of(int max) => new(max);

    /// <inheritdoc/>
    public override string ToString() => Max switch { 0 => "skip", 1 => "one", _ => $"all up to {Max}" };
}
