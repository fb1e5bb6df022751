using Jobs.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore;

namespace Jobs;

/// <summary>Enqueues jobs as part of what one <see cref="DbContext"/> saves. As little thread-safe as the context itself.</summary>
public sealed class ContextJobs
{
    private readonly Outbox _outbox;
    private readonly DbContext _context;

    internal ContextJobs(Outbox outbox, DbContext context) => (_outbox, _context) = (outbox, context);

    /// <summary>
    /// Enqueues one job with the context's next <c>SaveChanges</c>, in its transaction, whatever that is: it runs if and only if that commits. It is dispatched right after the
    /// commit; what a crash leaves, the scheduler dispatches. A retried save does not make a second job.
    /// </summary>
    /// <param name="job">The job.</param>
    /// <param name="options">
    /// Everything but <see cref="EnqueueOptions.After"/>, <see cref="EnqueueOptions.Batch"/>, and a <see cref="Unique"/> that changes or refuses on a conflict or outlasts
    /// the job: for those, use <see cref="IJobClient.EnqueueAsync{TJob}(TJob, Npgsql.NpgsqlTransaction, EnqueueOptions?, CancellationToken)"/>.
    /// </param>
    /// <returns>Its id. If its unique key is taken when the context saves, there will be no job with this id.</returns>
    /// <exception cref="ArgumentException">A value breaks its rule. Nothing was added to the context.</exception>
    /// <exception cref="JobTooLargeException">The arguments are over the limit.</exception>
    /// <exception cref="NotSupportedException">An option that this way cannot carry.</exception>
    public JobId Enqueue<TJob>(TJob job, EnqueueOptions? options = null) => _outbox.Add(_context, job, options);
}
