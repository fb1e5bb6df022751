using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>One way in which an operator changes jobs: the statements that do it, page by page, and what it does to a job in which state.</summary>
/// <param name="Past">What was done, as "It was ..." needs it.</param>
/// <param name="Judge">What becomes of a job that is like this, and why, as "It ..." needs it. For what can be done: as "would be ..." needs it.</param>
/// <param name="Live">Which live jobs it is for; null: for none.</param>
/// <param name="Ended">Which ended jobs it is for; null: for none.</param>
internal sealed record Verb(string Past, Func<Glance, (ActOutcome Outcome, string Words)> Judge, JobFilter? Live, JobFilter? Ended)
{
    /// <summary>Changes the next page of live jobs.</summary>
    public Func<JobFilter, Guid, CancellationToken, Task<ChangedPage>>? ChangeLive { get; init; }

    /// <summary>Changes the next page of ended jobs.</summary>
    public Func<JobFilter, Guid, CancellationToken, Task<ChangedPage>>? ChangeEnded { get; init; }

    /// <summary>Pages of ended jobs go upwards.</summary>
    public bool OldestFirst { get; init; }

    public static (ActOutcome, string) Cancel(Glance job) => job.State == JobState.Running
        ? (ActOutcome.Requested, $"asked to stop: it has run since {Time(job.Since)}")
        : Waiting(job, "cancelled");

    /// <summary>Only what waits can be changed.</summary>
    public static (ActOutcome, string) Waiting(Glance job, string done) => job switch
    {
        { State: JobState.Running } => (ActOutcome.Running, $"has been running since {Time(job.Since)}"),
        { IsEnded: true } => (ActOutcome.Ended, $"ended as {Words.Of(job.State)} at {Time(job.Since)}"),
        _ => (ActOutcome.Done, done),
    };

    public static (ActOutcome, string) Delete(Glance job) => job switch
    {
        { State: JobState.Running } => Waiting(job, ""),
        { Needed: true, IsEnded: false } => (ActOutcome.Needed, "is waited for by others, or its batch counts it: cancel it instead"),
        { Needed: true } => (ActOutcome.Needed, "is counted by a batch that is not complete, or its followers are just being told: try again later"),
        _ => (ActOutcome.Done, "deleted"),
    };

    public static (ActOutcome, string) Retry(Glance job) => job switch
    {
        { State: JobState.Running } => Waiting(job, ""),
        { State: JobState.Scheduled } => (ActOutcome.Done, "queued"),
        { State: JobState.Blocked } => (ActOutcome.Unchanged, $"waits for {(job.Waits == 1 ? "another job" : $"{job.Waits} other jobs")} to end"),
        { IsEnded: false } => (ActOutcome.Unchanged, $"is {Words.Of(job.State)} already"),
        { RetriedAs: { } life } => (ActOutcome.Unchanged, life == default ? "was retried already" : $"was retried already, as {life}"),
        _ => (ActOutcome.Done, "given a new life"),
    };

    private static string Time(DateTimeOffset? time) => time is { } t ? t.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", System.Globalization.CultureInfo.InvariantCulture) : "a time unknown";
}
