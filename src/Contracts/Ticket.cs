namespace Jobs;

/// <summary>A job that is queued under this dispatch: what the message that wakes a worker says, and what a statement that queues a job returns.</summary>
internal readonly record struct Ticket(JobId Id, int Dispatch, string Queue, byte Priority, string Type);
