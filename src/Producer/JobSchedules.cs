using System.Diagnostics.CodeAnalysis;
using Jobs.Coordination.Recurring;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;

namespace Jobs.Producer;

/// <summary>Schedules as apps and operators see them. It writes rows; the schedulers do the rest.</summary>
internal sealed class JobSchedules(Rows rows, ScheduleStore store, TicketPublisher tickets) : IJobSchedules
{
    private const int Most = 1000;

    public Task<bool> AddAsync<TJob>(string name, Recurrence when, TJob job, string? tz = null, RecurringOptions? options = null, CancellationToken ct = default)
    {
        ScheduleRules.Check(name, when, tz, options);
        var row = rows.Of(job, Enqueue(options));
        if (JobType<TJob>.Unique is { Period: not null, Hold: not UniqueHold.Period })
        {
            throw new ArgumentException($"The jobs of schedule \"{name}\" are unique in each period, which a schedule cannot be: it has one key for all its jobs. "
                + "Leave the period out of the [Unique] attribute, or use Unique.Always.");
        }

        return PutAsync(name, when, row, tz, options, ct);
    }

    public Task<bool> AddJsonAsync(string name, Recurrence when, string type, [StringSyntax(StringSyntaxAttribute.Json)] string arguments, string? tz = null,
        RecurringOptions? options = null, CancellationToken ct = default)
    {
        ScheduleRules.Check(name, when, tz, options);
        return PutAsync(name, when, rows.Of(type, arguments, Enqueue(options)), tz, options, ct);
    }

    public async Task RemoveAsync(string name, CancellationToken ct = default) => Found(await store.RemoveAsync(Named(name), ct), name);

    public async Task PauseAsync(string name, string? by = null, CancellationToken ct = default)
    {
        ScheduleRules.CheckBy(by);
        Found(await store.PauseAsync(Named(name), by, ct), name);
    }

    public async Task ResumeAsync(string name, CancellationToken ct = default) => Found(await store.ResumeAsync(Named(name), ct), name);

    public async Task<JobId> RunNowAsync(string name, CancellationToken ct = default)
    {
        var ran = await store.RunNowAsync(Named(name), JobId.New(), ct);
        Found(ran is not null, name);
        var (schedule, fate) = ran!.Value;
        if (fate.Fate == EnqueueFate.Queued)
        {
            await tickets.SendAsync([new Ticket(fate.Id, 1, schedule.Queue, schedule.Priority, schedule.Type)], ct);
        }

        return fate.Id;
    }

    public async Task<ScheduleInfo?> GetAsync(string name, CancellationToken ct = default) => (await store.ListAsync(Named(name), ct)).Select(Info).SingleOrDefault();

    public async Task<IReadOnlyList<ScheduleInfo>> ListAsync(CancellationToken ct = default) => [.. (await store.ListAsync(null, ct)).Select(Info)];

    public async Task<IReadOnlyList<DateTimeOffset>> NextAsync(string name, int count, CancellationToken ct = default)
    {
        Limit(count, nameof(count));
        var found = await store.ListAsync(Named(name), ct);
        Found(found.Count > 0, name);
        var (occurrences, next) = (Occurrences.Of(found[0]), new List<DateTimeOffset>(count));
        for (var at = occurrences.Next(found[0].Now); at is { } instant && next.Count < count; at = occurrences.Next(instant))
        {
            next.Add(instant);
        }

        return next;
    }

    public async Task<IReadOnlyList<OccurrenceInfo>> HistoryAsync(string name, int limit = 50, DateTimeOffset? before = null, CancellationToken ct = default)
    {
        Limit(limit, nameof(limit));
        return await store.HistoryAsync(Named(name), limit, before, ct);
    }

    private Task<bool> PutAsync(string name, Recurrence when, NewJob job, string? tz, RecurringOptions? options, CancellationToken ct)
    {
        options ??= new RecurringOptions();
        return store.PutAsync(new ScheduleRow
        {
            Name = name,
            Cron = when.CronExpression,
            EverySeconds = (long?)when.Interval?.TotalSeconds,
            Zone = tz ?? ScheduleRules.DefaultZone,
            Type = job.Type,
            Queue = job.Queue,
            Priority = job.Priority,
            Arguments = job.Arguments,
            Ties = ScheduleTies.Of(job.Ties),
            StartsAt = options.Start,
            EndsAt = options.End,
            Excluded = [.. options.ExcludedDays.Select(d => d.ToString()).Distinct()],
            OnMissing = options.OnMissingTime,
            OnRepeated = options.OnRepeatedTime,
            CatchUp = options.AfterOutage.Max,
            Overlap = options.Overlap,
        }, ct);
    }

    private static EnqueueOptions Enqueue(RecurringOptions? options) => new() { Queue = options?.Queue, Priority = options?.Priority ?? JobPriority.Normal };

    private static ScheduleInfo Info(ScheduleRow row) => new()
    {
        Name = row.Name,
        When = row.When,
        TimeZone = row.Zone,
        Type = row.Type,
        Arguments = System.Text.Encoding.UTF8.GetString(row.Arguments),
        Options = row.Options,
        PausedAt = row.IsPaused ? row.PausedAt : null,
        PausedBy = row.IsPaused ? row.PausedBy : null,
        RecordedTo = row.RecordedTo,
        NextAt = row.IsPaused ? null : row.NextAt == DateTimeOffset.MinValue ? Occurrences.Of(row).Next(row.Now) : row.NextAt,
        LastJob = row.LastJob is { } last ? new JobId(last) : null,
        CreatedAt = row.CreatedAt,
        ChangedAt = row.ChangedAt,
    };

    private static string Named(string name) => NameRule.Check(name, "schedule name");

    private static void Found(bool found, string name)
    {
        if (!found)
        {
            throw new JobsException($"There is no schedule \"{name}\"; `jobs schedules list` shows those there are.");
        }
    }

    private static void Limit(int count, string parameter)
    {
        if (count is < 1 or > Most)
        {
            throw new ArgumentOutOfRangeException(parameter, count, $"The number {count} is not allowed; use 1 to {Most:N0}.");
        }
    }
}
