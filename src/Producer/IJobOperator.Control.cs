namespace Jobs;

/// <remarks>
/// Every action changes jobs by guarded statements of up to 1,000, each a transaction of its own, and never acts on what was seen before: a job that was started meanwhile is left as it
/// is. It acts on the jobs there are when it begins to look; after an exception, what was done stays, and the same call again does the rest. A filter that names
/// <see cref="JobFilter.Ids"/> gets an answer for each of them.
/// </remarks>
public partial interface IJobOperator
{
    /// <summary>
    /// Cancels jobs. One that waits never starts, and ends as cancelled; those that wait for it and its batch are told. One that runs is asked to stop
    /// (<see cref="ActOutcome.Requested"/>): its token is cancelled on whichever machine runs it.
    /// </summary>
    /// <param name="filter">Which live jobs.</param>
    /// <param name="act">By whom and why.</param>
    /// <param name="dryRun">Change nothing; say what would be done.</param>
    /// <param name="progress">Is told how many jobs have been looked at.</param>
    /// <param name="ct">Stops it; what was done stays.</param>
    /// <exception cref="ArgumentException">The filter asks for ended jobs, or a value breaks its rule.</exception>
    Task<ActReport> CancelAsync(JobFilter filter, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default);

    /// <summary>
    /// Gives waiting jobs another priority, effective at once: a queued one gets a new ticket, and the old one is stale. Jobs that run or have ended are left.
    /// </summary>
    /// <inheritdoc cref="CancelAsync"/>
    Task<ActReport> SetPriorityAsync(JobFilter filter, JobPriority priority, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default);

    /// <summary>
    /// Moves waiting jobs to another queue, another time, or both. To a later time: they are scheduled. To now: they are queued. A blocked job stays blocked: its queue and its time
    /// count once it is let go. Jobs that run or have ended are left. A deadline (<see cref="EnqueueOptions.Expires"/>) stays where it is.
    /// </summary>
    /// <inheritdoc cref="CancelAsync"/>
    Task<ActReport> MoveAsync(JobFilter filter, JobMove move, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default);

    /// <summary>
    /// Deletes jobs that have ended or wait, without a trace but a line in the log. One that others wait for, or whose batch is not complete, is left
    /// (<see cref="ActOutcome.Needed"/>): cancel it instead. So is one that runs.
    /// </summary>
    /// <inheritdoc cref="CancelAsync"/>
    Task<ActReport> DeleteAsync(JobFilter filter, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default);

    /// <summary>
    /// Has jobs tried again now. A scheduled one is queued. One that has ended is given a new life: a new job of the same type, queue, priority, arguments, tags, metadata and timeout,
    /// linked both ways (<see cref="JobInfo.RetryOf"/>, <see cref="JobInfo.RetriedAs"/>), with all its attempts ahead of it. A job gets one new life, however many ask for it. The new
    /// one takes no unique key, has no deadline, waits for nobody and is of no batch. Without a state the filter means scheduled and failed jobs, unless it names ids.
    /// </summary>
    /// <inheritdoc cref="CancelAsync"/>
    Task<ActReport> RetryAsync(JobFilter filter, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default);

    /// <summary>
    /// Gives all failed jobs of the filter a new life each, oldest first, as <see cref="RetryAsync"/> does: those that had failed when it began and have not been retried.
    /// </summary>
    /// <exception cref="ArgumentException">The filter asks for another state than failed, or a value breaks its rule.</exception>
    Task<RedriveReport> RedriveAsync(JobFilter filter, RedriveOptions? options = null, Act? act = null, CancellationToken ct = default);

    /// <summary>Cancels those jobs of a redrive that have not been started, and frees the failed ones behind them to be redriven again. A redrive that is under way stops.</summary>
    /// <exception cref="JobsException">There is no such redrive.</exception>
    Task<ActReport> UndoRedriveAsync(JobId redrive, Act? act = null, CancellationToken ct = default);
}
