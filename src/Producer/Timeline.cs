using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>The story of a job, in order of time: made of its row, its events and its errors, in this one place.</summary>
internal static class Timeline
{
    /// <summary>How many events a job keeps, and how many of them are its first ones; defer_if_running.sql has the same numbers.</summary>
    private const int MostEvents = 100;
    private const int FirstEvents = 20;

    /// <param name="job">The job.</param>
    /// <param name="workers">Who its sessions are, or were.</param>
    /// <param name="parents">Where the jobs are that it was made to wait for.</param>
    public static List<TimelineEntry> Of(
        JobInfo job, IReadOnlyDictionary<Guid, string> workers, IReadOnlyDictionary<JobId, (JobState State, DateTimeOffset? EndedAt)> parents)
    {
        var lines = new List<TimelineEntry> { Enqueued(job) };
        foreach (var (parent, (state, ended)) in parents)
        {
            if (ended is { } at && at >= job.EnqueuedAt)
            {
                lines.Add(new(at, "parentEnded", $"Job {parent}, which it was to wait for, has {Ended(state)}") { Other = parent });
            }
        }

        for (var i = 0; i < job.Events.Count; i++)
        {
            if (job.Events[i] != Given(job)) // said with its enqueueing
            {
                AddEvent(lines, job, job.Events[i], workers);
            }

            if (i == FirstEvents - 1 && job.Events.Count >= MostEvents)
            {
                lines.Add(new(job.Events[i].At, "leftOut", $"Some may be missing here: of the events of a job the first {FirstEvents} and the newest {MostEvents - FirstEvents} are kept"));
            }
        }

        AddLastAttempt(lines, job, workers);
        AddEnd(lines, job, workers);
        if (job.RetriedAs is { } life)
        {
            lines.Add(new(Later(life.CreatedAt, job.EndedAt), "retriedAs", $"It was given a new life: job {life}") { Other = life });
        }

        return [.. lines.OrderBy(l => l.At)]; // stable: what happened at once stays as it was added
    }

    private static TimelineEntry Enqueued(JobInfo job)
    {
        var by = job.Origin switch
        {
            null => "",
            "amqp" => " over AMQP",
            { } sql when sql.StartsWith("sql ", StringComparison.Ordinal) => $" by plain SQL ({sql[4..]})",
            { } retry when retry.StartsWith("retry ", StringComparison.Ordinal) => $" by {retry[6..]}",
            { } origin => $" by {origin}",
        };
        var given = Given(job);
        var also = (job.RetryOf is { } life ? $"; a new life of job {life}" : "")
            + (job.After.Count > 0 ? $"; it waits for {Phrase.Count(job.After.Count, "other job")}" : "");
        return new(job.EnqueuedAt, "enqueued", $"Enqueued{by}{also}{(given?.Reason is { } why ? $": {why}" : "")}")
        {
            Reason = given?.Reason,
            By = given?.By ?? job.Origin,
            Other = job.RetryOf,
            DueAt = job.Attempt == 0 && job.Events.Count == 0 ? job.DueAt : null, // later it may be due for another reason
        };
    }

    /// <summary>The event that made it, if it is a new life of another job.</summary>
    private static JobEvent? Given(JobInfo job) => job.RetryOf is { } life ? job.Events.FirstOrDefault(e => e.What == "retryNow" && e.From == life.ToString()) : null;

    private static void AddEvent(List<TimelineEntry> lines, JobInfo job, JobEvent e, IReadOnlyDictionary<Guid, string> workers)
    {
        if (e is { StartedAt: { } start, Attempt: { } attempt })
        {
            lines.Add(Started(start, attempt, e.Session, workers));
        }

        var error = e.What == "retried" ? job.Errors.FirstOrDefault(x => x.Attempt == e.Attempt) : null;
        var took = e.At - e.StartedAt;
        lines.Add(new(e.At, e.What, Text(e, error, took))
        {
            By = e.By, Reason = e.Reason, Attempt = e.Attempt, Session = e.Session, Worker = Worker(e.Session, workers), Took = took, Error = error, DueAt = e.DueAt, From = e.From, To = e.To,
        });
    }

    private static string Text(JobEvent e, JobError? error, TimeSpan? took)
    {
        var after = took is { } t ? $" after {Phrase.Duration(t)}" : "";
        var by = Phrase.By(e.By, e.Reason);
        var again = e.DueAt is { } due ? due - e.At < TimeSpan.FromMilliseconds(1) ? "at once" : $"after {Phrase.Duration(due - e.At)}" : "at once";
        return e.What switch
        {
            "retried" => $"Attempt {e.Attempt} failed{after}{(error is null ? "" : $": {Phrase.Error(error)}")}. Tried again {again}",
            "snoozed" => $"Attempt {e.Attempt} snoozed{after}: not now. Run again {again}, with no attempt used up",
            "rateLimited" => $"Attempt {e.Attempt} was told by the other side to come back later{after}, with no attempt used up. "
                + (e.Reason is null ? $"No limit knows the job, so it alone waits; run again {again}" : $"Nothing is started at {e.Reason} until {Phrase.Time(e.DueAt ?? e.At)}"),
            "crashed" => $"The worker of attempt {e.Attempt} died under it; rescued{after}, to run again {again}",
            "handedBack" => $"Attempt {e.Attempt} was handed back{after}, because its worker was stopped. No attempt is used up",
            "unhandled" => "A worker of its queue has no handler for its type; it was put back",
            "priority" => $"Priority {e.From} became {e.To}{by}",
            "aged" => $"Priority {e.From} became {e.To}, because it has waited long",
            "queue" => $"Moved from queue {e.From} to {e.To}{by}",
            "time" => $"Its time was changed{(e.From is null ? "" : $" from {e.From}")}{(e.To is null ? "" : $" to {e.To}")}{by}",
            "cancelRequested" => $"Its end was asked for{by}",
            "cancelled" => $"Called off{by}",
            "retryNow" => $"Made due at once{by}",
            _ => e.What + (e.From is null ? "" : $", from {e.From}") + (e.To is null ? "" : $", to {e.To}") + by,
        };
    }

    /// <summary>The attempt that runs, or with which it ended; also errors of older versions, which left no event.</summary>
    private static void AddLastAttempt(List<TimelineEntry> lines, JobInfo job, IReadOnlyDictionary<Guid, string> workers)
    {
        var told = job.Events.Select(e => e.Attempt).ToHashSet();
        foreach (var error in job.EndedAt is null || job.State == JobState.Succeeded ? job.Errors : job.Errors.SkipLast(1))
        {
            if (!told.Contains(error.Attempt) && job.Events.Count < MostEvents)
            {
                lines.Add(new(error.At, "retried", $"Attempt {error.Attempt} failed: {Phrase.Error(error)}")
                {
                    Attempt = error.Attempt, Session = error.Session, Worker = Worker(error.Session, workers), Error = error,
                });
            }
        }

        if (RanToTheEnd(job))
        {
            lines.Add(Started(job.StartedAt!.Value, job.Attempt, job.Session, workers));
        }
    }

    private static void AddEnd(List<TimelineEntry> lines, JobInfo job, IReadOnlyDictionary<Guid, string> workers)
    {
        if (job.EndedAt is not { } end)
        {
            return;
        }

        var error = job.State == JobState.Succeeded || job.Errors.Count == 0 ? null : job.Errors[^1];
        var who = job.State == JobState.Cancelled ? job.Events.LastOrDefault(e => e.What is "cancelled" or "cancelRequested") : null;
        TimeSpan? took = RanToTheEnd(job) ? end - job.StartedAt!.Value : null;
        var text = $"{char.ToUpperInvariant(Words.Of(job.State)[0])}{Words.Of(job.State)[1..]}{(took is { } t ? $" after {Phrase.Duration(t)}" : "")}{Phrase.By(who?.By, who?.Reason)}"
            + (error is null ? "" : $". {Phrase.Error(error)}");
        lines.RemoveAll(l => l.What == "cancelled" && job.State == JobState.Cancelled); // the same, said better here
        lines.Add(new(end, Words.Of(job.State), text)
        {
            By = who?.By, Reason = who?.Reason, Attempt = took is null ? null : job.Attempt, Session = took is null ? null : job.Session,
            Worker = took is null ? null : Worker(job.Session, workers), Took = took, Error = error,
        });
    }

    /// <summary>Its newest attempt was not followed by a retry, a snooze, a rescue or a handing back.</summary>
    private static bool RanToTheEnd(JobInfo job) => job is { Attempt: > 0, StartedAt: not null }
        && !job.Events.Any(e => e.StartedAt is not null && e.Attempt == job.Attempt)
        && (job.State == JobState.Running || job.EndedAt is not null);

    private static TimelineEntry Started(DateTimeOffset at, int attempt, Guid? session, IReadOnlyDictionary<Guid, string> workers) =>
        new(at, "started", $"Attempt {attempt} started on {Worker(session, workers) ?? (session is { } s ? $"a worker that is not known any more (session {s})" : "a worker")}")
        {
            Attempt = attempt, Session = session, Worker = Worker(session, workers),
        };

    private static string? Worker(Guid? session, IReadOnlyDictionary<Guid, string> workers) => session is { } id ? workers.GetValueOrDefault(id) : null;

    private static string Ended(JobState state) => state switch { JobState.Cancelled => "been cancelled", _ => Words.Of(state) };

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset? other) => other > one ? other.Value : one;
}
