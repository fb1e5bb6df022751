using Jobs.Coordination.Recurring;
using Jobs.Scheduler;

namespace Jobs;

/// <summary>
/// What the scheduler of an installation does. Any number of processes may run one: one of them leads. Also bound from the configuration section
/// <c>Jobs:Scheduler</c> (<c>KeepSucceededDays</c>, <c>KeepOthersDays</c>); what code says wins.
/// </summary>
public sealed class SchedulerOptions
{
    internal const int MaxDays = 3650;

    /// <summary>How many days succeeded jobs stay in history. Default 7; 1 to 3650.</summary>
    public int? KeepSucceededDays { get; set; }

    /// <summary>How many days failed, cancelled and expired jobs stay in history, in steps of a week. Default 90; 1 to 3650.</summary>
    public int? KeepOthersDays { get; set; }

    internal List<RecurringDefinition> Recurrings { get; } = [];

    /// <summary>
    /// A recurring job. It is added when this scheduler starts, or changed where it differs; nothing is enqueued twice or lost by that. A definition that is taken out of
    /// the code stays in the database until it is removed there (<c>jobs schedules remove NAME</c>), because older processes of a rolling deployment still have it.
    /// </summary>
    /// <param name="name">1 to 100 letters, digits, <c>. _ -</c>. Two of the same name are refused at start.</param>
    /// <param name="when">A cron expression with seconds (<c>0 30 2 * * ?</c>), or an interval.</param>
    /// <param name="job">The job that each occurrence enqueues.</param>
    /// <param name="tz">IANA name of the time zone, for example <c>Europe/Berlin</c>. Default <c>UTC</c>.</param>
    /// <param name="options">Queue, priority, start and end, excluded days, rules.</param>
    /// <exception cref="InvalidOperationException">The job's type has no <see cref="JobAttribute"/>, or one that breaks a rule.</exception>
    public SchedulerOptions Recurring<TJob>(string name, Recurrence when, TJob job, string? tz = null, RecurringOptions? options = null)
    {
        _ = JobType<TJob>.Info;
        Recurrings.Add(new RecurringDefinition(name, when, tz, options, (schedules, ct) => schedules.AddAsync(name, when, job, tz, options, ct)));
        return this;
    }

    internal IEnumerable<string> Faults()
    {
        foreach (var (name, value) in new[] { (nameof(KeepSucceededDays), KeepSucceededDays), (nameof(KeepOthersDays), KeepOthersDays) })
        {
            if (value is < 1 or > MaxDays)
            {
                yield return $"SchedulerOptions: {name} {value} is not allowed; use 1 to {MaxDays} days.";
            }
        }

        foreach (var definition in Recurrings)
        {
            foreach (var fault in ScheduleRules.Faults(definition.Name, definition.When, definition.TimeZone, definition.Options))
            {
                yield return $"SchedulerOptions: Recurring(\"{definition.Name}\"): {fault}";
            }
        }

        foreach (var name in Recurrings.GroupBy(r => r.Name).Where(g => g.Count() > 1).Select(g => g.Key))
        {
            yield return $"SchedulerOptions: there are two recurring jobs of the name \"{name}\"; give each its own.";
        }
    }
}
