using System.Runtime.CompilerServices;
using Npgsql;

namespace Jobs;

/// <summary>Publishes jobs and looks at them. Thread-safe; one for the whole app.</summary>
/// <remarks>
/// A call that returned has its jobs durably in Postgres, whatever the broker does. Bad values throw <see cref="ArgumentException"/> and nothing is written;
/// arguments over the limit throw <see cref="JobTooLargeException"/>; a database that does not answer throws <see cref="EnqueueUnknownException"/> after about 10 s.
/// </remarks>
public interface IJobClient
{
    /// <summary>Recurring jobs. The same as the injected <see cref="IJobSchedules"/>.</summary>
    IJobSchedules Schedules { get; }

    /// <summary>Enqueues one job. Concurrent calls share a statement; each returns after its own commit.</summary>
    [OverloadResolutionPriority(1)] // `new() { Priority = ... }` means these options
    Task<JobId> EnqueueAsync<TJob>(TJob job, EnqueueOptions? options = null, CancellationToken ct = default);

    /// <summary>
    /// Enqueues one job in your own transaction on the same database: it runs if and only if you commit. The scheduler dispatches it within about 200 ms of
    /// the commit; call <see cref="DispatchAsync"/> after the commit to have it dispatched at once.
    /// </summary>
    Task<JobId> EnqueueAsync<TJob>(TJob job, NpgsqlTransaction transaction, EnqueueOptions? options = null, CancellationToken ct = default);

    /// <summary>Enqueues a job by the name of its type, with its arguments as JSON: for tools and for types this process has no record of.</summary>
    Task<JobId> EnqueueJsonAsync(string type, string arguments, EnqueueOptions? options = null, CancellationToken ct = default);

    /// <summary>Enqueues any number of jobs in bounded memory, 1,000 a statement. Not one transaction: after an exception the statements before it stand.</summary>
    /// <param name="jobs">The jobs.</param>
    /// <param name="each">The options of each job; null means the defaults.</param>
    /// <param name="ct">Stops between statements.</param>
    /// <returns>How many are new; those whose unique key was taken are not.</returns>
    /// <exception cref="JobExistsException">The key of one was taken, and its policy is to refuse that. The others of its statement stand.</exception>
    Task<long> EnqueueManyAsync<TJob>(IEnumerable<TJob> jobs, Func<TJob, EnqueueOptions?>? each = null, CancellationToken ct = default);

    /// <inheritdoc cref="EnqueueManyAsync{TJob}(IEnumerable{TJob}, Func{TJob, EnqueueOptions}, CancellationToken)"/>
    Task<long> EnqueueManyAsync<TJob>(IAsyncEnumerable<TJob> jobs, Func<TJob, EnqueueOptions?>? each = null, CancellationToken ct = default);

    /// <summary>Dispatches jobs of a transaction that has just been committed, instead of waiting for the scheduler. Harmless for any other job.</summary>
    /// <returns>How many were dispatched.</returns>
    Task<int> DispatchAsync(IEnumerable<JobId> ids, CancellationToken ct = default);

    /// <summary>Enqueues all jobs of a graph in one transaction: all of them or none. Those that wait for nobody start at once.</summary>
    /// <exception cref="ArgumentException">The graph has a cycle, or a job in it breaks a rule.</exception>
    Task EnqueueGraphAsync(JobGraph graph, CancellationToken ct = default);

    /// <summary>As the other one, in your own transaction: none of it starts before you commit.</summary>
    Task EnqueueGraphAsync(JobGraph graph, NpgsqlTransaction transaction, CancellationToken ct = default);

    /// <summary>The result of a job that has succeeded: of one that this one waited for, for example. The default where there is none.</summary>
    Task<TResult?> GetResultAsync<TResult>(JobId id, CancellationToken ct = default);

    /// <summary>
    /// Waits for the end of a job and gives its result; the default where it left none. Any number may wait at once, for few statements: whoever ends a job tells the processes that wait for it, and returns
    /// take a few milliseconds more. That needs this process's host to run; without it the job is looked at ten times a second.
    /// </summary>
    /// <param name="id">The job, live or ended.</param>
    /// <param name="timeout">How long to wait: 0 (has it ended?) to 30 days, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="ct">Stops the waiting; the job goes on.</param>
    /// <exception cref="JobFailedException">It failed, was cancelled or has expired.</exception>
    /// <exception cref="TimeoutException">It has not ended in time; the message says what it is doing.</exception>
    /// <exception cref="JobsException">There is no such job, or it ended longer ago than history is kept.</exception>
    Task<TResult?> WaitAsync<TResult>(JobId id, TimeSpan timeout, CancellationToken ct = default);

    /// <inheritdoc cref="WaitAsync{TResult}(JobId, TimeSpan, CancellationToken)"/>
    /// <summary>Waits until a job has succeeded, as the other one.</summary>
    Task WaitAsync(JobId id, TimeSpan timeout, CancellationToken ct = default);

    /// <summary>
    /// What the handlers of a job wrote to their loggers, in order: by attempt, and within it as it was written. Also while it runs: a line is here a quarter of a second after it was written. Kept for 7 days.
    /// </summary>
    /// <param name="id">The job. One that is not there has no lines.</param>
    /// <param name="query">Which lines, and whether to wait for more. Default: all there are.</param>
    /// <param name="ct">Stops it.</param>
    IAsyncEnumerable<JobLogLine> LogsAsync(JobId id, JobLogQuery? query = null, CancellationToken ct = default);

    /// <summary>Makes an empty batch. Jobs are added by <see cref="EnqueueOptions.Batch"/>, in any number of calls.</summary>
    Task<JobId> CreateBatchAsync(BatchOptions? options = null, CancellationToken ct = default);

    /// <summary>No job is added to the batch any more: it is complete once all of its jobs have ended.</summary>
    /// <exception cref="JobsException">There is no such batch.</exception>
    Task SealBatchAsync(JobId batch, CancellationToken ct = default);

    /// <summary>How far a batch is; null when there is none with this id.</summary>
    Task<BatchInfo?> GetBatchAsync(JobId batch, CancellationToken ct = default);

    /// <summary>What is known about a job, live or ended; null when there is none with this id, or it ended longer ago than history is kept.</summary>
    Task<JobInfo?> GetAsync(JobId id, CancellationToken ct = default);
}
