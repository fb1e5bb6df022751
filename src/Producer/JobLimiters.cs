using System.Threading.RateLimiting;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.Producer;
using Microsoft.Extensions.Logging;

namespace Jobs;

/// <summary>
/// Limits for code that is no job: a <see cref="RateLimiter"/> that asks the gates that jobs pass, so that a limit holds for both together, on any number of machines.
/// Slots of the limit are held by each lease until it is disposed, or until this process is dead; its rate is counted when permits are given. docs/LIMITS.md has what is guaranteed and what it costs.
/// </summary>
public sealed class JobLimiters : IDisposable
{
    /// <summary>10,000 permits may wait at a limiter.</summary>
    public const int DefaultQueueLimit = 10_000;

    private readonly PermitDesk _desk;

    internal JobLimiters(LimitStore store, Session session, Admissions admissions, Signals signals, TimeProvider time, ILogger<JobLimiters> log) =>
        _desk = new PermitDesk(store, session, admissions, signals, time, log);

    /// <summary>
    /// Of a lease that holds slots: a token that is cancelled when others have taken this process for dead and given its slots away. Whoever must never be one too many stops then.
    /// </summary>
    public static MetadataName<CancellationToken> Lost { get; } = new("Jobs.Lost");

    /// <summary>
    /// The limit of this name (<see cref="IJobLimits.SetAsync"/>), for one value of its key if it has one. Make it once and keep it. <c>AcquireAsync</c> waits, oldest first;
    /// <c>AttemptAcquire</c> never asks the database and only gives what is lent to this process already, so it may fail where <c>AcquireAsync</c> would not wait.
    /// </summary>
    /// <param name="limit">Its name. It may be set later; while there is none, <c>AcquireAsync</c> throws <see cref="JobsException"/>.</param>
    /// <param name="key">The value of its key, as text.</param>
    /// <param name="queueLimit">So many permits may wait; whoever comes then gets a lease that is not acquired. 0: nobody waits.</param>
    /// <exception cref="ArgumentException">No limit can have that name, or the queue limit is negative.</exception>
    public RateLimiter For(string limit, string? key = null, int queueLimit = DefaultQueueLimit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(queueLimit);
        return new GateLimiter(_desk, NameRule.Check(limit, "limit's name"), key, queueLimit);
    }

    /// <summary>The same for many values of its key: one limiter each, forgotten when it has not been used for a while.</summary>
    public PartitionedRateLimiter<T> ForEach<T>(string limit, Func<T, string> key, int queueLimit = DefaultQueueLimit)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentOutOfRangeException.ThrowIfNegative(queueLimit);
        NameRule.Check(limit, "limit's name");
        return PartitionedRateLimiter.Create<T, string>(resource => RateLimitPartition.Get(key(resource), k => For(limit, k, queueLimit)), StringComparer.Ordinal);
    }

    /// <inheritdoc/>
    public void Dispose() => _desk.Dispose();
}
