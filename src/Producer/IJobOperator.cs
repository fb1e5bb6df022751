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

    /// <summary>
    /// The story of a job in order of time: enqueued by whom and how, each attempt with its worker, end and error, rescues, what others did to it, its end, its other lives.
    /// Null when there is none with this id, or it ended longer ago than history is kept.
    /// </summary>
    Task<IReadOnlyList<TimelineEntry>?> TimelineAsync(JobId id, CancellationToken ct = default);

    /// <summary>
    /// Why a job is where it is and when it goes on, or why it ended as it did; most important first, at least one reason. Takes a few statements, of which the longest
    /// reads at most 100,000 tickets of its queue.
    /// </summary>
    Task<IReadOnlyList<Explanation>> ExplainAsync(JobId id, CancellationToken ct = default);

    /// <summary>
    /// Examines the installation: both servers, the schema, schedulers, workers, and what the leading scheduler's audit has found. Changes nothing and does not throw for what it
    /// is there to find: a server that does not answer is a finding too, after 10 s at most.
    /// </summary>
    Task<Diagnosis> DoctorAsync(CancellationToken ct = default);
}
