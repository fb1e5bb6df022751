namespace Jobs;

/// <summary>Where a job is in its life; docs/STATES.md has the chart. The first five are live, the others are ends.</summary>
public enum JobState
{
    /// <summary>Written in an app's own transaction, not dispatched yet.</summary>
    Pending,
    /// <summary>Waits for its time: delayed, to be retried, or snoozed.</summary>
    Scheduled,
    /// <summary>May run now; a ticket for it is on its way.</summary>
    Queued,
    /// <summary>Something other than time holds it back: a job it waits for has not ended, or a limit has no slot for it.</summary>
    Blocked,
    /// <summary>A worker runs it.</summary>
    Running,
    /// <summary>Ended: done.</summary>
    Succeeded,
    /// <summary>Ended: out of attempts, failed by its handler, or poison.</summary>
    Failed,
    /// <summary>Ended: called off.</summary>
    Cancelled,
    /// <summary>Ended: no longer worth starting.</summary>
    Expired,
}
