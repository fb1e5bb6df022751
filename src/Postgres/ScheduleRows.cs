using System.Text.Json;

namespace Jobs.Postgres;

/// <summary>One row of the schedules: the definition, and how far it has come.</summary>
internal sealed record ScheduleRow
{
    public required string Name { get; init; }
    public string? Cron { get; init; }
    public long? EverySeconds { get; init; }
    public required string Zone { get; init; }
    public required string Type { get; init; }
    public required string Queue { get; init; }
    public required byte Priority { get; init; }
    public required byte[] Arguments { get; init; }
    public ScheduleTies? Ties { get; init; }
    public DateTimeOffset? StartsAt { get; init; }
    public DateTimeOffset? EndsAt { get; init; }
    public IReadOnlyList<string> Excluded { get; init; } = [];
    public OnMissingTime? OnMissing { get; init; }
    public OnRepeatedTime? OnRepeated { get; init; }
    public int CatchUp { get; init; } = 1;
    public Overlap Overlap { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset ChangedAt { get; init; }
    public DateTimeOffset? PausedAt { get; init; }
    public string? PausedBy { get; init; }

    /// <summary>Resumed, but what the pause left out is not in the ledger yet.</summary>
    public DateTimeOffset? ResumedAt { get; init; }
    public DateTimeOffset RecordedTo { get; init; }

    /// <summary><see cref="DateTimeOffset.MinValue"/>: not found out yet. Null: paused, or over.</summary>
    public DateTimeOffset? NextAt { get; init; }
    public Guid? LastJob { get; init; }

    /// <summary>The database clock when the row was read.</summary>
    public DateTimeOffset Now { get; init; }

    public bool IsPaused => PausedAt is not null && ResumedAt is null;

    public Recurrence When => Cron is not null ? Recurrence.Cron(Cron) : Recurrence.Every(TimeSpan.FromSeconds(EverySeconds!.Value));

    public RecurringOptions Options => new()
    {
        Queue = new QueueName(Queue),
        Priority = Priority,
        Start = StartsAt,
        End = EndsAt,
        ExcludedDays = [.. Excluded.Select(e => ExcludedDay.Parse(e))],
        OnMissingTime = OnMissing,
        OnRepeatedTime = OnRepeated,
        AfterOutage = AfterOutage.Of(CatchUp),
        Overlap = Overlap,
    };

    /// <summary>The job of one occurrence.</summary>
    public NewJob Job(JobId id, JobId? after = null, string? trace = null)
    {
        var ties = Ties?.Of();
        if (after is { } parent)
        {
            ties = (ties ?? new Ties()) with { After = [new After(parent, Otherwise.Run)] };
        }

        ties = trace is null ? ties : (ties ?? new Ties()) with { Trace = trace };
        return new NewJob(id, Type, Queue, Priority, Arguments, null, null, ties) { Origin = $"schedule {Name}" };
    }
}

/// <summary>What the type of a schedule's job adds to each of its jobs.</summary>
internal sealed record ScheduleTies(
    double? ExpiresSeconds, float? TimeoutSeconds, string? UniqueKey, bool UntilStarted, string? HeldKey, double HeldSeconds, UniqueConflict OnConflict)
{
    public static ScheduleTies? Of(Ties? ties) => ties is null ? null
        : new ScheduleTies(ties.ExpiresSeconds, ties.TimeoutSeconds, ties.UniqueKey, ties.UntilStarted, ties.HeldKey, ties.HeldSeconds, ties.OnConflict);

    public static ScheduleTies? Parse(string? json) => json is null ? null : JsonSerializer.Deserialize<ScheduleTies>(json);

    public string Json() => JsonSerializer.Serialize(this);

    public Ties Of() => new()
    {
        ExpiresSeconds = ExpiresSeconds,
        TimeoutSeconds = TimeoutSeconds,
        UniqueKey = UniqueKey,
        UntilStarted = UntilStarted,
        HeldKey = HeldKey,
        HeldSeconds = HeldSeconds,
        OnConflict = OnConflict,
    };
}

/// <summary>What is to become of one occurrence, or of several that are skipped for the same reason.</summary>
internal sealed record Verdict(DateTimeOffset At, DateTimeOffset Until, int Count, JobId? Job, string? Reason)
{
    /// <summary>The job waits for the end of this one.</summary>
    public JobId? After { get; init; }
}

/// <summary>What is to be written about one schedule in one transaction.</summary>
/// <param name="RecordedTo">The new watermark.</param>
/// <param name="NextAt">As in <see cref="ScheduleRow.NextAt"/>.</param>
/// <param name="Verdicts">In order of time.</param>
/// <param name="Cancel">A job that has to end for the new one.</param>
/// <param name="PauseEnds">What the pause left out is among the verdicts.</param>
/// <param name="More">There is more to record at once.</param>
internal sealed record Pass(DateTimeOffset RecordedTo, DateTimeOffset? NextAt, IReadOnlyList<Verdict> Verdicts, JobId? Cancel, bool PauseEnds, bool More);

/// <summary>What a pass has written, and who is to be told of it.</summary>
internal sealed record Recorded(Pass Pass, DateTimeOffset Now, IReadOnlyList<Ticket> Tickets, Followed Followed)
{
    public int Enqueued { get; init; }
    public long Skipped { get; init; }
}
