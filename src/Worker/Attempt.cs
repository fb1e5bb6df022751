using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Worker;

/// <summary>One claimed run of a job on its way through this process.</summary>
internal sealed record Attempt(ClaimedJob Job, string Queue, Lease Lease, HandlerEntry Handler);

/// <summary>How an attempt ended, ready to be written: done (no result, the common case), an end of another kind, or deferred.</summary>
internal readonly record struct Completion(Attempt Attempt, JobState? End, byte[]? Result, string? Error, TimeSpan Delay)
{
    public bool IsPlainSuccess => End == JobState.Succeeded && Result is null;

    public static Completion Ended(Attempt attempt, JobState end, byte[]? result = null, string? error = null) => new(attempt, end, result, error, default);

    public static Completion Deferred(Attempt attempt, TimeSpan delay, string? error) => new(attempt, null, null, error, delay);
}

/// <summary>The attempts of this process that are claimed and whose end is not written yet.</summary>
internal sealed class Running
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<JobId, int> _attempts = new();

    public int Count => _attempts.Count;

    public void Add(JobId id, int attempt) => _attempts[id] = attempt;

    public Guid[] Ids() => [.. _attempts.Keys.Select(id => id.Value)];

    public bool Holds(JobId id, int attempt) => _attempts.TryGetValue(id, out var held) && held == attempt;

    public void Remove(JobId id, int attempt) => _attempts.TryRemove(new KeyValuePair<JobId, int>(id, attempt));
}
