namespace Jobs.Scheduler;

/// <summary>A schedule that code defines: added, or changed where it differs, when the scheduler starts.</summary>
internal sealed record RecurringDefinition(
    string Name, Recurrence When, string? TimeZone, RecurringOptions? Options, Func<IJobSchedules, CancellationToken, Task<bool>> AddAsync);
