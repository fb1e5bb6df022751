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

    internal IEnumerable<string> Faults()
    {
        foreach (var (name, value) in new[] { (nameof(KeepSucceededDays), KeepSucceededDays), (nameof(KeepOthersDays), KeepOthersDays) })
        {
            if (value is < 1 or > MaxDays)
            {
                yield return $"SchedulerOptions: {name} {value} is not allowed; use 1 to {MaxDays} days.";
            }
        }
    }
}
