using System.Diagnostics.CodeAnalysis;

namespace Jobs;

/// <summary>Recurring jobs: each occurrence of a schedule is one job, enqueued exactly once or recorded as skipped. A scheduler must run for them to happen.</summary>
/// <remarks>Bad values throw <see cref="ArgumentException"/> that names the value and what is allowed; nothing is written then.</remarks>
public interface IJobSchedules
{
    /// <summary>
    /// Adds a schedule, or changes the one with this name. A new one starts now. A changed one goes on from where it was: its occurrences up to the change are
    /// not enqueued again and none is lost; a paused one stays paused.
    /// </summary>
    /// <param name="name">1 to 100 letters, digits, <c>. _ -</c>.</param>
    /// <param name="when">A cron expression with seconds, or an interval.</param>
    /// <param name="job">The job that each occurrence enqueues.</param>
    /// <param name="tz">IANA name of the time zone, for example <c>Europe/Berlin</c>. Default <c>UTC</c>.</param>
    /// <param name="options">Queue, priority, start and end, excluded days, rules.</param>
    /// <param name="ct">Stops the call.</param>
    /// <returns>Whether anything changed.</returns>
    Task<bool> AddAsync<TJob>(string name, Recurrence when, TJob job, string? tz = null, RecurringOptions? options = null, CancellationToken ct = default);

    /// <summary>As <see cref="AddAsync"/>, with a job by the name of its type and its arguments as JSON.</summary>
    Task<bool> AddJsonAsync(string name, Recurrence when, string type, [StringSyntax(StringSyntaxAttribute.Json)] string arguments, string? tz = null,
        RecurringOptions? options = null, CancellationToken ct = default);

    /// <summary>Removes a schedule. Jobs that it has enqueued stay, and so does its history.</summary>
    /// <exception cref="JobsException">There is no such schedule, here and in the calls below.</exception>
    Task RemoveAsync(string name, CancellationToken ct = default);

    /// <summary>No occurrences until it is resumed. Pausing twice changes nothing.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="by">Who does it; for people. At most 200 characters.</param>
    /// <param name="ct">Stops the call.</param>
    Task PauseAsync(string name, string? by = null, CancellationToken ct = default);

    /// <summary>Goes on. What would have occurred meanwhile is recorded as skipped, and not caught up.</summary>
    Task ResumeAsync(string name, CancellationToken ct = default);

    /// <summary>Enqueues its job once, now, whatever its rules say, also while it is paused. Recorded in its history.</summary>
    Task<JobId> RunNowAsync(string name, CancellationToken ct = default);

    /// <summary>One schedule; null when there is none with this name.</summary>
    Task<ScheduleInfo?> GetAsync(string name, CancellationToken ct = default);

    /// <summary>All schedules, by name.</summary>
    Task<IReadOnlyList<ScheduleInfo>> ListAsync(CancellationToken ct = default);

    /// <summary>Its next occurrences from now on, as if it were not paused. Fewer than asked for if it ends.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="count">1 to 1,000.</param>
    /// <param name="ct">Stops the call.</param>
    Task<IReadOnlyList<DateTimeOffset>> NextAsync(string name, int count, CancellationToken ct = default);

    /// <summary>What became of its occurrences, newest first; also of a schedule that has been removed. Kept for 90 days.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="limit">1 to 1,000.</param>
    /// <param name="before">Only those before this instant: the last of the page before.</param>
    /// <param name="ct">Stops the call.</param>
    Task<IReadOnlyList<OccurrenceInfo>> HistoryAsync(string name, int limit = 50, DateTimeOffset? before = null, CancellationToken ct = default);
}

/// <summary>One schedule. Times are by the database clock.</summary>
public sealed record ScheduleInfo
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }
    /// <summary>How often.</summary>
    public required Recurrence When { get; init; }
    /// <summary>IANA name of its time zone.</summary>
    public required string TimeZone { get; init; }
    /// <summary>The type of its jobs.</summary>
    public required string Type { get; init; }
    /// <summary>Their arguments, JSON.</summary>
    public required string Arguments { get; init; }
    /// <summary>Queue, priority, start and end, excluded days, rules. The rules for missing and repeated times are null where the default of the expression holds.</summary>
    public required RecurringOptions Options { get; init; }
    /// <summary>Since when it is paused.</summary>
    public DateTimeOffset? PausedAt { get; init; }
    /// <summary>Who paused it.</summary>
    public string? PausedBy { get; init; }
    /// <summary>Every occurrence up to here is in the history.</summary>
    public required DateTimeOffset RecordedTo { get; init; }
    /// <summary>The next occurrence; null when it is paused or over.</summary>
    public DateTimeOffset? NextAt { get; init; }
    /// <summary>The newest job that it has enqueued.</summary>
    public JobId? LastJob { get; init; }
    /// <summary>When it was added.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
    /// <summary>When it was changed, paused or resumed last.</summary>
    public required DateTimeOffset ChangedAt { get; init; }
}

/// <summary>What became of one occurrence, or of several in a row that were skipped for the same reason.</summary>
/// <param name="At">The instant it was scheduled for; of several, the first.</param>
/// <param name="Until">The last one's instant; the same as <paramref name="At"/> for one.</param>
/// <param name="Count">How many it stands for.</param>
/// <param name="Job">The job that it enqueued; null: it was skipped.</param>
/// <param name="Reason">Why it was skipped, or what else is to be known.</param>
/// <param name="RecordedAt">When this was written.</param>
public sealed record OccurrenceInfo(DateTimeOffset At, DateTimeOffset Until, int Count, JobId? Job, string? Reason, DateTimeOffset RecordedAt)
{
    /// <summary>It was enqueued; otherwise skipped.</summary>
    public bool Enqueued => Job is not null;
}
