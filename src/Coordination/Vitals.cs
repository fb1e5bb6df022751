using System.Collections.Concurrent;

namespace Jobs.Coordination;

/// <summary>One thing that must be so before this process can do its part. The endpoint asks for it; each role adds its own.</summary>
/// <param name="Name">For people: what was asked.</param>
/// <param name="Fault">What is wrong, as a sentence, or null. It must not take longer than about two seconds, nor throw for what it is there to find.</param>
internal sealed record Probe(string Name, Func<CancellationToken, ValueTask<string?>> Fault);

/// <summary>
/// The loops of this process and since when each has been in the middle of something. One that waits for work is idle, however long; one that has been at the same piece for
/// minutes is stuck. A server that is away makes nobody stuck: each try is a piece of its own, and every try has a deadline.
/// </summary>
internal sealed class Pulses(TimeProvider time)
{
    /// <summary>Far above any deadline of a statement or a connection (30 s), and above what a sweep over millions of rows takes.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private readonly ConcurrentBag<Pulse> _all = [];

    public Pulse Add(string name)
    {
        var pulse = new Pulse(name, time);
        _all.Add(pulse);
        return pulse;
    }

    /// <summary>The loops that have been at one piece for longer than <see cref="Limit"/>.</summary>
    public IEnumerable<(string Name, TimeSpan Since)> Stuck() => _all.Select(p => (p.Name, p.Busy)).Where(p => p.Busy > Limit);
}

/// <summary>Of one loop.</summary>
internal sealed class Pulse(string name, TimeProvider time)
{
    private long _since; // 0: idle

    public string Name => name;

    /// <summary>How long it has been at what it does; zero when it waits.</summary>
    public TimeSpan Busy => Volatile.Read(ref _since) is not 0 and var since ? time.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>The next piece is begun.</summary>
    public void Begin() => Volatile.Write(ref _since, time.GetTimestamp());

    /// <summary>It waits for the next one.</summary>
    public void Rest() => Volatile.Write(ref _since, 0);
}
