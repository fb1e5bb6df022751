namespace Jobs.Worker;

/// <summary>
/// How many tickets the broker may push ahead of the claims of one queue. What is pushed ahead is out of the queue's priority order, so it is kept small:
/// one set of slots besides those being claimed. Where jobs are so short that this would be over before the broker has sent more, it grows to what
/// <see cref="Ahead"/> takes at the present pace, so that the disorder stays bounded in time.
/// </summary>
internal sealed class Prefetch(int concurrency)
{
    public const int Max = 1000;
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Ahead = TimeSpan.FromMilliseconds(50);

    private long _claimedBefore;

    public int Current { get; private set; } = Least(concurrency);

    /// <summary>One look at the pace, every <see cref="Interval"/>. True: <see cref="Current"/> has changed enough to be worth a new consumer.</summary>
    public bool Adjust(long claimed, TimeSpan elapsed)
    {
        var wanted = (int)((claimed - _claimedBefore) * (Ahead / elapsed));
        _claimedBefore = claimed;
        wanted = Math.Clamp(wanted, Least(concurrency), Math.Max(Max, Least(concurrency)));
        if (wanted <= 1.5 * Current && (wanted >= Current / 3.0 || Current == Least(concurrency)))
        {
            return false;
        }

        Current = wanted;
        return true;
    }

    private static int Least(int concurrency) => Math.Min(2 * concurrency, ushort.MaxValue);
}
