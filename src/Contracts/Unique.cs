namespace Jobs;

/// <summary>
/// One job at a time for a key. The database enforces it in the statement that enqueues, so it holds for any number of callers. The key belongs to the job's type:
/// two types never collide.
/// </summary>
public sealed record Unique
{
    internal const int MaxKeyLength = 200;

    private static readonly JobState[] Waiting = [JobState.Pending, JobState.Scheduled, JobState.Queued, JobState.Blocked];

    /// <summary>Pending, scheduled, queued, blocked: the key is free once the job has been started for the first time.</summary>
    public static IReadOnlyCollection<JobState> UntilStarted { get; } = Waiting;

    /// <summary>Every state of a job that has not ended. The default.</summary>
    public static IReadOnlyCollection<JobState> UntilEnded { get; } = [.. Waiting, JobState.Running];

    /// <summary>Every state there is: however the job ended, the key is taken for <see cref="Period"/> from the enqueue.</summary>
    public static IReadOnlyCollection<JobState> Always { get; } = Enum.GetValues<JobState>();

    /// <summary>The key, 1 to 200 characters. Null: the arguments are the key, or those of them that <see cref="By"/> names.</summary>
    public string? Key { get; init; }

    /// <summary>The fields of the arguments that make the key, by their JSON names. Empty: all of the arguments. Not together with <see cref="Key"/>.</summary>
    public IReadOnlyList<string> By { get; init; } = [];

    /// <summary>
    /// With <see cref="Always"/>, required: for how long the key is taken, from the enqueue. With other states: jobs that were enqueued in different periods, counted from
    /// the year 2000 in UTC by the clock of the enqueueing machine, do not collide. 1 s to 366 days.
    /// </summary>
    public TimeSpan? Period { get; init; }

    /// <summary>In which states a job holds its key: <see cref="UntilStarted"/>, <see cref="UntilEnded"/> (the default) or <see cref="Always"/>. Other sets leave a gap and are refused.</summary>
    public IReadOnlyCollection<JobState> States { get; init; } = UntilEnded;

    /// <summary>What an enqueue does when the key is taken. Default: it returns the id of the job that has it.</summary>
    public UniqueConflict OnConflict { get; init; }

    internal UniqueHold Hold => new HashSet<JobState>(States) is var states && states.SetEquals(Always) ? UniqueHold.Period
        : states.SetEquals(UntilEnded) ? UniqueHold.Ended
        : states.SetEquals(UntilStarted) ? UniqueHold.Started
        : UniqueHold.None;

    /// <summary>Null: nothing is wrong with it.</summary>
    internal string? Fault() =>
        Key is not null && By.Count > 0 ? "Unique: Key and By are both set; set one of them."
        : Key is not null && NameRule.KeyFault(Key, "unique key") is { } key ? key
        : Period is { } period && (period < TimeSpan.FromSeconds(1) || period > TimeSpan.FromDays(366)) ? $"Unique: the period {period} is not allowed; use 1 s to 366 days."
        : !Enum.IsDefined(OnConflict) ? $"Unique: OnConflict {OnConflict} does not exist; use one of {string.Join(", ", Enum.GetNames<UniqueConflict>())}."
        : Hold switch
        {
            UniqueHold.None => GapFault(),
            UniqueHold.Period when Period is null => "Unique: States includes those of ended jobs, so Period must say for how long the key stays taken.",
            UniqueHold.Period when OnConflict is UniqueConflict.ReplaceArguments or UniqueConflict.MoveTime =>
                $"Unique: OnConflict {OnConflict} does not go with States that include those of ended jobs: an ended job cannot be changed. Use ReturnExisting or Refuse.",
            _ => null,
        };

    private string GapFault()
    {
        var missing = (States.Intersect(Waiting).Count() < Waiting.Length ? Waiting : States.Any(s => s > JobState.Running) ? [.. Always] : Waiting).Except(States).ToList();
        return $"Unique: States {{{string.Join(", ", States)}}} leave a gap: a job passes through {string.Join(", ", missing)} as well, and a second one could be enqueued meanwhile. "
            + "Use Unique.UntilStarted, Unique.UntilEnded or Unique.Always.";
    }
}

/// <summary>What an enqueue does when the key of a <see cref="Unique"/> is taken.</summary>
public enum UniqueConflict
{
    /// <summary>Nothing; the id of the job that has the key is returned.</summary>
    ReturnExisting,
    /// <summary>The job that has the key gets the new arguments, unless it has been started. Its id is returned.</summary>
    ReplaceArguments,
    /// <summary>The job that has the key is moved to the new time, unless it has been started: a burst of calls makes one job, after the last of them. Its id is returned.</summary>
    MoveTime,
    /// <summary>The call throws <see cref="JobExistsException"/>.</summary>
    Refuse,
}

internal enum UniqueHold
{
    None,
    Started,
    Ended,
    Period,
}

/// <summary>Jobs of this record are unique unless the enqueue says otherwise. The rules are those of <see cref="Unique"/>; they are checked when the type is first used, in a worker at its start.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, Inherited = false)]
public sealed class UniqueAttribute(params string[] by) : Attribute
{
    /// <summary>The fields of the arguments that make the key, by their JSON names. None: all of the arguments.</summary>
    public IReadOnlyList<string> By { get; } = by;

    /// <summary>See <see cref="Unique.Period"/>. 0: none.</summary>
    public double PeriodSeconds { get; set; }

    /// <summary>See <see cref="Unique.States"/>. Empty: until it has ended.</summary>
    public JobState[] States { get; set; } = [];

    /// <summary>See <see cref="Unique.OnConflict"/>.</summary>
    public UniqueConflict OnConflict { get; set; }

    internal Unique Policy() => new()
    {
        By = By,
        Period = PeriodSeconds == 0 ? null : TimeSpan.FromSeconds(Math.Clamp(PeriodSeconds, 0, 1e9)), // out of range is found with the other faults
        States = States is [] ? Unique.UntilEnded : States,
        OnConflict = OnConflict,
    };
}
