namespace Jobs;

/// <summary>A limit as it is in force: who set it, and what it does now.</summary>
/// <param name="Limit">What was set. A burst that was left out is there as the number it stands for.</param>
public sealed record LimitInfo(JobLimit Limit)
{
    /// <summary>Counts of waiting jobs end here: it means so many or more.</summary>
    public const int MostCounted = 10_000;

    /// <summary>Who set it last.</summary>
    public LimitOrigin Origin { get; init; }

    /// <summary>When, by the database clock.</summary>
    public DateTimeOffset SetAt { get; init; }

    /// <summary>Who that was: an operator, or the name of the app that declares it.</summary>
    public string? By { get; init; }

    /// <summary>Why, in their words.</summary>
    public string? Reason { get; init; }

    /// <summary>Running jobs that it counts, over all values of its key. 0 where it counts none: it has only a rate.</summary>
    public long Held { get; init; }

    /// <summary>Jobs that it holds back, up to <see cref="MostCounted"/>.</summary>
    public long Waiting { get; init; }

    /// <summary>Gates that are paused.</summary>
    public long Paused { get; init; }

    /// <summary>The gates that were asked for, the busiest first.</summary>
    public IReadOnlyList<LimitGate> Gates { get; init; } = [];
}

/// <summary>Who set a limit.</summary>
public enum LimitOrigin
{
    /// <summary>Somebody at run time. No declaration changes it.</summary>
    Operator,

    /// <summary>An app declares it in its code.</summary>
    Code,

    /// <summary>The configuration of an app declares it.</summary>
    Configuration,
}

/// <summary>A limit for one value of its key, or as a whole where it has none.</summary>
/// <param name="Key">The value; null: the limit has no key. Of one longer than 200 characters its first 160 and a hash.</param>
public sealed record LimitGate(string? Key)
{
    /// <summary>So many may run at once here; null: any number.</summary>
    public int? Slots { get; init; }

    /// <summary>So many tokens there are here in the period of the rate; null: the limit has no rate.</summary>
    public double? RateTokens { get; init; }

    /// <summary>The slots that were set for this value; null: as the limit says.</summary>
    public int? OwnSlots { get; init; }

    /// <summary>The tokens that were set for this value; null: as the limit says.</summary>
    public double? OwnTokens { get; init; }

    /// <summary>Running jobs that it counts.</summary>
    public int Held { get; init; }

    /// <summary>Up to 20 of them, the longest running first.</summary>
    public IReadOnlyList<JobId> Holders { get; init; } = [];

    /// <summary>Jobs that wait here, up to <see cref="LimitInfo.MostCounted"/>.</summary>
    public long Waiting { get; init; }

    /// <summary>Tokens that are there now; null: no rate.</summary>
    public double? Tokens { get; init; }

    /// <summary>When the next job that takes one token may start; null: now, as far as the rate is concerned.</summary>
    public DateTimeOffset? NextAt { get; init; }

    /// <summary>Nothing starts here until then; null: it is not paused.</summary>
    public DateTimeOffset? PausedUntil { get; init; }

    /// <summary>The job whose handler asked for the pause.</summary>
    public JobId? PausedBy { get; init; }
}
