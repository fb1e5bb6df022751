namespace Jobs;

/// <summary>What an operator looks at and does.</summary>
public partial interface IJobOperator
{
    /// <summary>Jobs, live and ended, newest first; the next page is <see cref="JobPage.Below"/> the last id of this one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not 1 to 1000.</exception>
    Task<IReadOnlyList<JobInfo>> ListAsync(JobFilter filter, JobPage? page = null, CancellationToken ct = default);

    /// <summary>Every queue with its counts.</summary>
    Task<IReadOnlyList<QueueInfo>> QueuesAsync(CancellationToken ct = default);

    /// <summary>Every process that takes part.</summary>
    Task<IReadOnlyList<SessionInfo>> SessionsAsync(CancellationToken ct = default);
}
