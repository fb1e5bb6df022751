namespace Jobs.Worker;

/// <summary>
/// How many tickets the broker may push ahead of the claims of one queue. What is pushed ahead is out of the queue's priority order, so it is kept small:
/// one set of slots besides those being claimed. Where jobs are so short that this would be over before the broker has sent more, it grows to what
/// <see cref="Ahead"/> takes at the present pace, so that the disorder stays bounded in time.
/// </summary>
internal sealed class Prefetch(int concurrency, TimeProvider time)
{
    private const int Max = 1000;
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Ahead = TimeSpan.FromMilliseconds(50);

    private long _lookedAt = time.GetTimestamp();
    private long _claimed;

    public int Current { get; private set; } = Least(concurrency);

    public static int Least(int concurrency) => Math.Min(2 * concurrency, ushort.MaxValue);

    /// <summary>Counts a batch. True: the pace has changed so much that <see cref="Current"/> is worth a new consumer.</summary>
    public bool Adjust(int claimed)
    {
        _claimed += claimed;
        var elapsed = time.GetElapsedTime(_lookedAt);
        if (elapsed < Window)
        {
            return false;
        }

        var wanted = Math.Clamp((int)(_claimed * (Ahead / elapsed)), Least(concurrency), Math.Max(Max, Least(concurrency)));
        (_lookedAt, _claimed) = (time.GetTimestamp(), 0);
        if (wanted <= 1.5 * Current && (wanted >= Current / 3.0 || Current == Least(concurrency)))
        {
            return false;
        }

        Current = wanted;
        return true;
    }
}
