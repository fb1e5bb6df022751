namespace Jobs;

/// <summary>What an operator looks at and does.</summary>
public partial interface IJobOperator
{
    /// <summary>
    /// Jobs, live and ended, newest first; the next page is <see cref="JobPage.Below"/> <see cref="JobList.Next"/> of this one. Takes about as long on a large history as on a small one: where no index
    /// serves the filter, a page looks through the newest 100,000 jobs below its start (20,000 where JSON is searched) and says so in <see cref="JobList.Warning"/>.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not 1 to 1000.</exception>
    /// <exception cref="ArgumentException">The filter breaks a rule.</exception>
    Task<JobList> ListAsync(JobFilter filter, JobPage? page = null, CancellationToken ct = default);

    /// <summary>Every queue with its counts and rates.</summary>
    Task<IReadOnlyList<QueueInfo>> QueuesAsync(CancellationToken ct = default);

    /// <summary>Every process that takes part.</summary>
    Task<IReadOnlyList<SessionInfo>> SessionsAsync(CancellationToken ct = default);
}
