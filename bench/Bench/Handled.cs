using System.Diagnostics;

namespace Jobs.Bench;

/// <summary>Counts jobs as their handlers start, the same for both subjects: when the first one did, when the last of a known number did.</summary>
internal sealed class Handled
{
    private TaskCompletionSource<long> _next = New();
    private TaskCompletionSource<long> _all = New();
    private long _first;
    private int _count;
    private int _expected = int.MaxValue;

    /// <summary>Only jobs of at least this priority count.</summary>
    public int MinPriority { get; init; }

    /// <summary>Stopwatch time of the first job since <see cref="Expect"/>.</summary>
    public long FirstAt => Interlocked.Read(ref _first);

    /// <summary>Starts over. The task ends at the <paramref name="jobs"/>th job from now, with its stopwatch time.</summary>
    public Task<long> Expect(int jobs)
    {
        _all = New();
        _first = 0;
        _count = 0;
        Volatile.Write(ref _expected, jobs);
        return _all.Task;
    }

    /// <summary>The stopwatch time of the next job.</summary>
    public Task<long> Next()
    {
        var next = New();
        Volatile.Write(ref _next, next);
        return next.Task;
    }

    /// <summary>Whoever waits for jobs learns that none will come.</summary>
    public void Fail(Exception error)
    {
        Volatile.Read(ref _next).TrySetException(error);
        _all.TrySetException(error);
    }

    public void Add(int jobs)
    {
        var now = Stopwatch.GetTimestamp();
        Volatile.Read(ref _next).TrySetResult(now);
        var count = Interlocked.Add(ref _count, jobs);
        if (count == jobs)
        {
            Interlocked.CompareExchange(ref _first, now, 0);
        }

        if (count >= Volatile.Read(ref _expected) && count - jobs < _expected)
        {
            _all.TrySetResult(now);
        }
    }

    private static TaskCompletionSource<long> New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
