using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>How bad a finding of the audit is once it is more than <paramref name="Most"/>, and what to do.</summary>
internal sealed record FindingRule(string Name, long Most, Health Verdict, string Good, string Text, string Remedy)
{
    public Checkup Of(Finding finding, DateTimeOffset now)
    {
        var since = finding.Oldest is { } oldest && oldest <= now ? $", the oldest since {Phrase.Duration(now - oldest)}" : "";
        return finding.Value <= Most ? new(Name, Health.Ok, finding.Value == 0 ? Good : $"{finding.Value:N0} {Text}.") { Value = finding.Value, Oldest = finding.Oldest }
            : new(Name, Verdict, $"{finding.Value:N0} {Text}{since}{(finding.Detail is null ? "" : $" ({finding.Detail})")}.") { Value = finding.Value, Oldest = finding.Oldest, Remedy = Remedy };
    }
}

/// <summary>What the audit counts, with its verdicts.</summary>
internal static class FindingRules
{
    private const string LookAtLeader = "Look at the leading scheduler's log (events 1502, 1503) and restart it; if that does not mend it, it is a fault of the platform: report it.";

    public static readonly FindingRule[] All =
    [
        new("queued-stuck", 0, Health.Bad, "Every lost ticket was sent again.", "queued jobs whose ticket should have been sent again", LookAtLeader),
        new("due-stuck", 0, Health.Bad, "All that is due is queued.", "jobs are due for over a minute and not queued", LookAtLeader),
        new("blocked-stuck", 0, Health.Bad, "Every blocked job waits for somebody.", "blocked jobs that wait for nobody",
            "Nothing will ever move them: enqueue them again and cancel these (jobs list --state blocked). It is a fault of the platform: report it."),
        new("running-stuck", 0, Health.Bad, "Every running job has a worker.", "running jobs whose worker is gone for over a minute", LookAtLeader),
        new("limited-stuck", 0, Health.Bad, "Every job that a limit holds back is looked after.", "jobs are held back by limits that are gone, or that do not know of them", LookAtLeader),
        new("slots-stuck", 0, Health.Bad, "Every limit counts the jobs that run.", "values of keys whose limit counts more or fewer jobs than run",
            "Remove the limit and set it again, which counts anew (jobs limits remove NAME, jobs limits set NAME ...). It is a fault of the platform: report it."),
        new("limits-closed", 0, Health.Warn, "No job waits at a limit of 0 slots.", "jobs wait at limits that have 0 slots", "None of them starts until there are some: jobs limits set NAME --slots N, or jobs limits remove NAME."),
        new("limits-paused", 0, Health.Warn, "No limit is paused for long.", "values of keys are paused for more than another hour, because a handler was told so",
            "jobs limits show NAME says until when and by which job; if the other side is there again: jobs limits resume NAME."),
        new("limited-long", 0, Health.Warn, "No job has waited at a limit for an hour.", "jobs have waited at limits for over an hour",
            "More comes than the limit lets through, or something holds its slots: jobs limits show NAME. Raise it, or enqueue less."),
        new("transactions-in-doubt", 0, Health.Warn, "No transaction waits long for its decision.", "transactions have prepared branches that have waited over a minute for a decision, and hold what they promised",
            "jobs transactions list --in-doubt 1m shows them, jobs transactions get ID whom each waits for. A decision comes at the deadline at the latest; to have it now: jobs transactions abort ID."),
        new("transactions-parked", 0, Health.Warn, "No transaction waits for an operator.", "transactions are parked and go on only when somebody decides",
            "jobs transactions list --state parked; when the cause is mended: jobs transactions retry-branch ID; when it was done by hand: jobs transactions resolve ID BRANCH --reason \"...\"."),
        new("transactions-overdue", 0, Health.Bad, "Every transaction is decided by its deadline.", "transactions are undecided over a minute after their deadline",
            "Nobody watches them: run a worker for the queue transactions.watch (any process with AddTransactions and AddWorker)."),
        new("transactions-untold", 0, Health.Bad, "Every decision has been heard.", "decisions have not been heard by a coordinator for over a minute",
            "Run a coordinator (AddTransactions(t => t.Coordinator())); if there is one, look at its log for events 2100 to 2199 and at the queue _coordinator."),
        new("transactions-unfinished", 0, Health.Warn, "Every decision is carried out within an hour.", "transactions were decided over an hour ago, and some of their branches have not committed or aborted yet",
            "jobs transactions get ID says which branch and by which job; jobs get JOB why its calls fail. They are tried again without end."),
        new("tickets-resent", 1000, Health.Warn, "No ticket had to be sent again in the last hour.", "tickets were sent again in the last hour",
            "Something loses tickets: a purged or deleted queue, a broker that was reset; or workers hold more of them than they run. Nothing is lost by it."),
        new("outcomes-refused", 0, Health.Warn, "No outcome came too late.", "outcomes came too late, in processes that had such within a day",
            "These workers were taken for dead while they lived (log event 1431): paused, starved or cut off. Their jobs ran twice. Raise SessionTtl if such pauses are normal."),
        new("poison", 0, Health.Warn, "No job killed its workers in the last day.", "jobs failed as poison in the last day",
            "They killed their worker three times (jobs list --state failed --error Jobs.Poison): memory, or native code. Run one alone with the log open."),
        new("occurrences-doubled", 0, Health.Bad, "No occurrence is in the ledger twice.", "occurrences are in the ledger twice",
            "jobs schedules history NAME shows them. It is a fault of the platform: report it."),
        new("partitions-missing", 0, Health.Warn, "History has its partitions for the next week.", "partitions of history are missing for the next week",
            "The leading scheduler makes them (its log: events 1502, 1503); workers make them in need. Its role must be allowed to create tables."),
    ];
}
