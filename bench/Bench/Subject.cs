namespace Jobs.Bench;

/// <summary>What is measured: the floor or the platform, behind the same few verbs, so that one clock measures both in the same way.</summary>
internal interface ISubject
{
    /// <summary>Makes the empty tables and queues that the first start does not make by itself.</summary>
    Task CreateAsync();

    /// <summary>A producer; with <paramref name="work"/> a worker too, in the same process.</summary>
    Task<IRun> StartAsync(Work? work);
}

/// <summary>A started subject. Disposing it stops it and gives its connections back.</summary>
internal interface IRun : IAsyncDisposable
{
    /// <summary>Bulk: returns when every row is committed.</summary>
    Task EnqueueManyAsync(string queue, int jobs, int priority);

    /// <summary>One job for the queue <see cref="Load.Queue"/>: returns when its row is committed. Any number of callers at once.</summary>
    Task EnqueueAsync();

    /// <summary>Returns when the broker holds all tickets of the jobs that were enqueued, <paramref name="depth"/> in this queue.</summary>
    Task DispatchedAsync(string queue, int depth);

    /// <summary>Returns when every job that was handled is in history, durably.</summary>
    Task EndedAsync();

    /// <summary>How many jobs are in history. Not for the clock.</summary>
    Task<long> CountHistoryAsync();
}

/// <summary>What a worker is to do: one queue, so many slots, and where to count.</summary>
internal sealed record Work(string Queue, int Concurrency, Handled Handled);

/// <summary>The queues of a run and what is in a job.</summary>
internal static class Load
{
    public const string Queue = "bench";
    public const string WarmQueue = "warm";
    public const int NormalPriority = 16;
    public const int HighPriority = 24;
    public const int LowPriority = 8;

    /// <summary>With its property name, 60 bytes of JSON.</summary>
    public const string Text = "a fairly short text, like an address or a name...";
}
