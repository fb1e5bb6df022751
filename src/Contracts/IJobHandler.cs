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

/// <summary>As <see cref="IJobHandler{TJob}"/>, for handlers that say how the attempt ended: done with a result, retry after, snooze, rate limited, fail now.</summary>
public interface IJobOutcomeHandler<in TJob>
{
    /// <summary>Does the work and says how it ended. Throwing means retry, as in the other kind.</summary>
    Task<JobOutcome> HandleAsync(TJob job, JobContext context, CancellationToken ct);
}

/// <summary>As <see cref="IJobHandler{TJob}"/>, for jobs with a result: it is stored as JSON beside the job, and <c>IJobClient.WaitAsync</c> waits for it. Registered the same way.</summary>
public interface IJobHandler<in TJob, TResult> : IJobHandler<TJob>
{
    /// <summary>Does the work. It may run more than once; the result that counts is the one of the attempt that ended the job. Null means no result.</summary>
    /// <param name="job">The job's arguments.</param>
    /// <param name="context">Which job and which attempt this is.</param>
    /// <param name="ct">As in the other kind.</param>
    /// <returns>The result; as JSON at most <c>JobsOptions.MaxArgumentBytes</c>, or the attempt fails with <see cref="JobTooLargeException"/>.</returns>
    new Task<TResult> HandleAsync(TJob job, JobContext context, CancellationToken ct);

    Task IJobHandler<TJob>.HandleAsync(TJob job, JobContext context, CancellationToken ct) => HandleAsync(job, context, ct);
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

    /// <summary>Where its progress goes; null outside a worker.</summary>
    internal ProgressTo Sink { get; init; }

    /// <summary>
    /// Says how far this attempt is. Only the latest word counts, and it is written behind the handler's back, at most every 500 ms: call it as often as you like. What is said after the
    /// attempt has ended is dropped. Shown by <c>IJobClient.GetAsync</c> and <c>jobs list</c>, and kept for 7 days.
    /// </summary>
    /// <param name="done">How much is done, in units of your own. 0 or more.</param>
    /// <param name="total">Out of how much; null when that is not known. 0 or more.</param>
    /// <param name="note">What it is doing; cut at 200 characters.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public void Progress(long done, long? total = null, string? note = null)
    {
        if (done < 0 || total < 0)
        {
            throw new ArgumentOutOfRangeException(done < 0 ? nameof(done) : nameof(total), done < 0 ? done : total, $"The progress {done} of {total?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "?"} is not allowed; use 0 or more.");
        }

        Sink.Attempt?.Report(done, total, note);
    }
}

/// <summary>Where the progress of a context goes. It makes no difference between two contexts.</summary>
internal readonly struct ProgressTo(ProgressSink attempt) : IEquatable<ProgressTo>
{
    public ProgressSink? Attempt { get; } = attempt;

    public bool Equals(ProgressTo other) => true;

    public override bool Equals(object? obj) => obj is ProgressTo;

    public override int GetHashCode() => 0;
}

/// <summary>An attempt, as somebody who takes its progress.</summary>
internal abstract class ProgressSink
{
    public abstract void Report(long done, long? total, string? note);
}
