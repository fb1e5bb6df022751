namespace Jobs;

/// <summary>Runs jobs of one type. A new instance, in a DI scope of its own, for every attempt. Returning means done; throwing means retry.</summary>
public interface IJobHandler<in TJob>
{
    /// <summary>Does the work. It may run more than once: at-least-once is the promise, so make its effects repeatable.</summary>
    /// <param name="job">The job's arguments.</param>
    /// <param name="context">Which job and which attempt this is.</param>
    /// <param name="ct">Cancelled when the job is to stop: its timeout is over, somebody cancelled it, the worker stops and its grace period is over, or its session was ended by others. A handler that ignores it is abandoned (<c>WorkerOptions.TimeoutGrace</c>).</param>
    Task HandleAsync(TJob job, JobContext context, CancellationToken ct);
}

/// <summary>As <see cref="IJobHandler{TJob}"/>, for handlers that say how the attempt ended: done with a result, retry after, snooze, fail now.</summary>
public interface IJobOutcomeHandler<in TJob>
{
    /// <summary>Does the work and says how it ended. Throwing means retry, as in the other kind.</summary>
    Task<JobOutcome> HandleAsync(TJob job, JobContext context, CancellationToken ct);
}

/// <summary>Which job and which attempt a handler runs.</summary>
/// <param name="Id">The job.</param>
/// <param name="Type">Its type.</param>
/// <param name="Queue">The queue it came from.</param>
/// <param name="Priority">Its priority.</param>
/// <param name="Attempt">Counts every run of this job, from 1. Also a fencing token: a later run has a higher one.</param>
/// <param name="Failures">How many attempts failed before this one.</param>
/// <param name="EnqueuedAt">When it was enqueued, by the database clock.</param>
public sealed record JobContext(JobId Id, string Type, QueueName Queue, JobPriority Priority, int Attempt, int Failures, DateTimeOffset EnqueuedAt)
{
    /// <summary>The jobs it waited for; <c>IJobClient.GetResultAsync</c> has what they left.</summary>
    public IReadOnlyList<JobId> After { get; init; } = [];

    /// <summary>The batch it belongs to.</summary>
    public JobId? Batch { get; init; }

    /// <summary>What its enqueuer had carried along.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
}
