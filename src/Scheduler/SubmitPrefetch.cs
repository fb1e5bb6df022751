namespace Jobs.Scheduler;

/// <summary>
/// How many submitted messages the broker may push ahead. The broker takes messages of up to 16 MB from anybody, and what is pushed is in memory, so it begins small and
/// follows the size of what comes.
/// </summary>
internal static class SubmitPrefetch
{
    public const int Least = 20;

    /// <summary>Two batches: one is written while the next comes in.</summary>
    private const int Most = 2000;

    /// <summary>What may be in memory, if all messages are like the last ones.</summary>
    private const long Bytes = 32 * 1024 * 1024;

    /// <summary>What it should be after a batch. A change costs a round trip, so it is left alone for less than a factor of two, and while little comes.</summary>
    public static int After(int messages, long bytes, int now)
    {
        var wanted = (int)Math.Clamp(Bytes * messages / Math.Max(bytes, 1), Least, Most);
        return wanted < now / 2 || (wanted >= now * 2 && messages >= now / 2) ? wanted : now;
    }
}
