namespace Jobs;

/// <summary>What went wrong in the platform, as opposed to a value that broke a rule (those are <see cref="ArgumentException"/>s).</summary>
public class JobsException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The arguments or the result of a job are, as JSON, larger than allowed. Store the bulk elsewhere and pass a reference.</summary>
public sealed class JobTooLargeException(string what, long bytes, int limit)
    : JobsException($"The JSON of {what} has {bytes:N0} bytes; the limit is {limit:N0}. Store the bulk elsewhere and pass a reference, "
        + "or raise JobsOptions.MaxArgumentBytes (at most 1,048,576).")
{
    /// <summary>Its size.</summary>
    public long Bytes { get; } = bytes;

    /// <summary>The limit it broke.</summary>
    public int Limit { get; } = limit;
}

/// <summary>A job with this key exists already, and its policy is <see cref="UniqueConflict.Refuse"/>. Nothing was enqueued for it; in a bulk enqueue its neighbours were.</summary>
public sealed class JobExistsException(string type, JobId existing)
    : JobsException($"A \"{type}\" job with the same unique key exists: {existing}. Wait for its end, or choose another UniqueConflict than Refuse.")
{
    /// <summary>The job that has the key.</summary>
    public JobId Existing { get; } = existing;
}

/// <summary>The database could not be reached long enough, and whether the jobs were written is unknown. Enqueue again with the same ids: that is always safe.</summary>
public sealed class EnqueueUnknownException(IReadOnlyList<JobId> ids, Exception inner)
    : JobsException($"Postgres did not answer ({inner.Message}); whether {(ids.Count == 1 ? $"job {ids[0]} was" : $"these {ids.Count} jobs were")} written is unknown. "
        + "Enqueue again with EnqueueOptions.Id set to the same id: that makes one job, never two.", inner)
{
    /// <summary>The ids whose fate is unknown.</summary>
    public IReadOnlyList<JobId> Ids { get; } = ids;
}

/// <summary>A job that somebody waited for has ended without success: it failed, was cancelled or has expired.</summary>
public sealed class JobFailedException(JobId id, string type, JobState state, JobError? error)
    : JobsException($"Job {id} ({type}) {Words(state)}{(error is null ? "." : $": {error.Type}: {error.Message}")}")
{
    /// <summary>The job.</summary>
    public JobId Id { get; } = id;

    /// <summary><see cref="JobState.Failed"/>, <see cref="JobState.Cancelled"/> or <see cref="JobState.Expired"/>.</summary>
    public JobState State { get; } = state;

    /// <summary>Its last error.</summary>
    public JobError? Error { get; } = error;

    private static string Words(JobState state) => state switch
    {
        JobState.Cancelled => "was cancelled",
        JobState.Expired => "has expired",
        _ => "has failed",
    };
}
