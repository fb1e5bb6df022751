namespace Jobs;

/// <summary>How often a recurring job runs: a cron expression, or a fixed interval. A string is taken as the one, a <see cref="TimeSpan"/> as the other.</summary>
public sealed record Recurrence
{
    private Recurrence(string? cron, TimeSpan? every) => (CronExpression, Interval) = (cron, every);

    /// <summary>The cron expression; null for an interval.</summary>
    public string? CronExpression { get; }

    /// <summary>The interval; null for a cron expression.</summary>
    public TimeSpan? Interval { get; }

    /// <summary>
    /// By the clock on the wall: <c>second minute hour day-of-month month day-of-week [year]</c> as Quartz writes it, for example <c>0 30 2 * * ?</c> for every day at 02:30.
    /// </summary>
    public static Recurrence Cron(string expression) => new(expression ?? throw new ArgumentNullException(nameof(expression)), null);

    /// <summary>By elapsed time, whatever clocks on walls do; whole seconds, 1 s to 366 days, counted from the start of the schedule.</summary>
    public static Recurrence Every(TimeSpan interval) => new(null, interval);

    /// <inheritdoc cref="Cron"/>
    public static implicit operator Recurrence(string cron) => Cron(cron);

    /// <inheritdoc cref="Every"/>
    public static implicit operator Recurrence(TimeSpan interval) => Every(interval);

    /// <inheritdoc/>
    public override string ToString() => CronExpression ?? $"every {Interval}";
}
