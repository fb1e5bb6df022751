namespace Jobs.Postgres;

/// <summary>One job about to be written.</summary>
internal readonly record struct NewJob(JobId Id, string Type, string Queue, byte Priority, byte[] Arguments, double? DelaySeconds, DateTimeOffset? RunAt)
{
    public bool Later => DelaySeconds is not null || RunAt is not null;
}

/// <summary>An attempt that has just been claimed.</summary>
internal readonly record struct ClaimedJob(JobId Id, int Attempt, int Failures, byte Priority, string Type, DateTimeOffset EnqueuedAt, byte[] Arguments);

/// <summary>The end of an attempt that ends its job. Error and result are JSON.</summary>
internal readonly record struct EndedAttempt(JobId Id, int Attempt, JobState State, byte[]? Result, string? Error);

/// <summary>The end of an attempt that is to be followed by another.</summary>
internal readonly record struct DeferredAttempt(JobId Id, int Attempt, TimeSpan Delay, string? Error);

/// <summary>What became of a batch of jobs that was enqueued.</summary>
internal enum EnqueueFate
{
    Queued,
    Waiting,
    Existed,
}
