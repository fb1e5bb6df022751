namespace Jobs;

/// <summary>What is to happen as a batch goes on. Each callback is a job of its own, enqueued once; its type must have a <see cref="JobAttribute"/>.</summary>
public sealed record BatchOptions
{
    /// <summary>Enqueued when all jobs of a sealed batch have succeeded.</summary>
    public object? OnSuccess { get; init; }

    /// <summary>Enqueued when the first job of the batch has ended without success.</summary>
    public object? OnFailure { get; init; }

    /// <summary>Enqueued when all jobs of a sealed batch have ended, however they did.</summary>
    public object? OnCompletion { get; init; }
}

/// <summary>How far a batch is. The counts are of the jobs themselves: they are exact at any moment.</summary>
/// <param name="Id">Its id.</param>
/// <param name="CreatedAt">By the database clock, as all times here.</param>
/// <param name="SealedAt">Nothing is added after this.</param>
/// <param name="FailedAt">When the first job without success was seen.</param>
/// <param name="CompletedAt">When it was sealed and all of its jobs had ended.</param>
/// <param name="Live">Jobs that have not ended.</param>
/// <param name="Succeeded">Jobs that have succeeded. Before the completion only those that history still holds (7 days, unless set otherwise).</param>
/// <param name="Failed">Jobs that have ended in any other way.</param>
public sealed record BatchInfo(
    JobId Id, DateTimeOffset CreatedAt, DateTimeOffset? SealedAt, DateTimeOffset? FailedAt, DateTimeOffset? CompletedAt, long Live, long Succeeded, long Failed)
{
    /// <summary>All jobs of the batch.</summary>
    public long Total => Live + Succeeded + Failed;

    /// <summary>Those that have ended.</summary>
    public long Done => Succeeded + Failed;
}
