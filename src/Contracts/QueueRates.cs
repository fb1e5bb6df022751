namespace Jobs;

/// <summary>
/// How fast the jobs of a queue end, by kind of end. Summed by the leading scheduler in windows of 10 s, each a few seconds after it is over, so the newest end that is counted is 8 s to 20 s old;
/// without a scheduler nothing is counted.
/// </summary>
/// <param name="LastMinute">The last 60 s that are counted.</param>
/// <param name="LastFiveMinutes">The last 300 s.</param>
/// <param name="LastFifteenMinutes">The last 900 s.</param>
public sealed record QueueRates(IReadOnlyDictionary<JobState, EndRate> LastMinute, IReadOnlyDictionary<JobState, EndRate> LastFiveMinutes, IReadOnlyDictionary<JobState, EndRate> LastFifteenMinutes)
{
    /// <summary>Nothing has ended.</summary>
    public static QueueRates None { get; } = new(Empty, Empty, Empty);

    private static IReadOnlyDictionary<JobState, EndRate> Empty => System.Collections.Frozen.FrozenDictionary<JobState, EndRate>.Empty;
}

/// <summary>The jobs that ended in one way in a stretch of time.</summary>
/// <param name="Count">How many.</param>
/// <param name="PerSecond">The count, by the length of the stretch.</param>
/// <param name="MeanWait">From the enqueue to the start of the last attempt; to the end, of those that were never started. A delay that was asked for counts.</param>
/// <param name="MeanRun">How long the last attempt took; nothing, for those that were never started.</param>
public sealed record EndRate(long Count, double PerSecond, TimeSpan MeanWait, TimeSpan MeanRun);
