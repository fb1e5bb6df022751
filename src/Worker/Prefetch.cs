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

    private readonly Lock _gate = new();
    private int _least = Least(concurrency);
    private int _current = Least(concurrency);
    private long _lookedAt = time.GetTimestamp();
    private long _claimed;

    public int Current => Volatile.Read(ref _current);

    /// <summary>At least 1: to a broker, 0 is without a bound.</summary>
    public static int Least(int concurrency) => Math.Clamp(2 * concurrency, 1, ushort.MaxValue);

    /// <summary>There are so many slots now. True: <see cref="Current"/> has changed.</summary>
    public bool Follow(int slots)
    {
        lock (_gate)
        {
            if (Least(slots) == _least)
            {
                return false;
            }

            _least = _current = Least(slots);
            return true;
        }
    }

    /// <summary>Back to what slow jobs have. True: <see cref="Current"/> has changed.</summary>
    public bool Reset()
    {
        lock (_gate)
        {
            var changed = _current != _least;
            _current = _least;
            return changed;
        }
    }

    /// <summary>Counts a batch. True: the pace has changed so much that <see cref="Current"/> is worth a new consumer.</summary>
    public bool Adjust(int claimed)
    {
        _claimed += claimed;
        var elapsed = time.GetElapsedTime(_lookedAt);
        if (elapsed < Window)
        {
            return false;
        }

        lock (_gate)
        {
            var wanted = Math.Clamp((int)(_claimed * (Ahead / elapsed)), _least, Math.Max(Max, _least));
            (_lookedAt, _claimed) = (time.GetTimestamp(), 0);
            if (wanted <= 1.5 * _current && (wanted >= _current / 3.0 || _current == _least))
            {
                return false;
            }

            _current = wanted;
            return true;
        }
    }
}
