namespace Jobs;

/// <summary>What an operator's action did with one job, or why it did nothing.</summary>
public enum ActOutcome
{
    /// <summary>It was done.</summary>
    Done,
    /// <summary>The job runs, and its worker has been asked to stop it: it ends as cancelled, unless its handler finishes first.</summary>
    Requested,
    /// <summary>Left as it was: it already is as it was to be.</summary>
    Unchanged,
    /// <summary>Left as it was: a worker runs it.</summary>
    Running,
    /// <summary>Left as it was: it had ended.</summary>
    Ended,
    /// <summary>Left as it was: others wait for it, or its batch is counted by it.</summary>
    Needed,
    /// <summary>Left as it was: it is not what the filter asks for, or no longer.</summary>
    NotMatched,
    /// <summary>There is no such job: it never was, or it ended longer ago than history is kept.</summary>
    NotFound,
}

/// <summary>The answer about one job.</summary>
/// <param name="Id">The job.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Message">The same in words: "running since ...", "ended as failed at ...".</param>
/// <param name="NewLife">The job it goes on as, when it was given a new life, now or earlier.</param>
public sealed record ActAnswer(JobId Id, ActOutcome Outcome, string Message, JobId? NewLife = null);

/// <summary>What an action did.</summary>
/// <param name="Counts">How many jobs came out in which way; ways that did not occur are left out.</param>
/// <param name="Jobs">One answer for each of <see cref="JobFilter.Ids"/>, in their order. Empty when the filter named none.</param>
public sealed record ActReport(IReadOnlyDictionary<ActOutcome, long> Counts, IReadOnlyList<ActAnswer> Jobs)
{
    /// <summary>How many it was done to, or asked for.</summary>
    public long Done => Counts.GetValueOrDefault(ActOutcome.Done) + Counts.GetValueOrDefault(ActOutcome.Requested);

    /// <summary>How many were left as they were.</summary>
    public long Left => Counts.Values.Sum() - Done;
}

/// <summary>Where a waiting job is moved: to another queue, to another time, or both. What is not set stays as it is.</summary>
public sealed record JobMove
{
    /// <summary>To this queue.</summary>
    public QueueName? Queue { get; init; }

    /// <summary>To this much later than now, by the database clock; 0 to 10 years. 0 means now. Not together with <see cref="RunAt"/>.</summary>
    public TimeSpan? Delay { get; init; }

    /// <summary>To this time; a past one means now, the year 2199 is the last. Not together with <see cref="Delay"/>.</summary>
    public DateTimeOffset? RunAt { get; init; }
}

/// <summary>How failed jobs are given new lives in bulk.</summary>
public sealed record RedriveOptions
{
    /// <summary>
    /// At most this many jobs a second are due: their times are written at once, so it goes on whatever becomes of the caller. 0.01 to 100,000. Null: all of them now.
    /// </summary>
    public double? Rate { get; init; }

    /// <summary>Only say how many there are.</summary>
    public bool DryRun { get; init; }

    /// <summary>Is told how many new lives there are so far.</summary>
    public IProgress<long>? Progress { get; init; }
}

/// <summary>What a redrive did.</summary>
/// <param name="Id">What <c>UndoRedriveAsync</c> takes; its jobs carry the tag <c>redrive:ID</c>. Null for a dry run, and when nothing matched.</param>
/// <param name="Count">How many jobs were given a new life, or would be.</param>
/// <param name="LastDueAt">When the last of them is due; null when none is due later than now.</param>
public sealed record RedriveReport(JobId? Id, long Count, DateTimeOffset? LastDueAt);
