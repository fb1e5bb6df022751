using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>Why a job is where it is: one method a reason, null when it does not apply. docs/OPERATIONS.md lists their codes.</summary>
internal sealed class Reasons(StoryStore store)
{
    /// <summary>The pace of a queue is taken from the last minute, or from the last ten if none of its jobs ended in that.</summary>
    private static readonly TimeSpan Lately = TimeSpan.FromMinutes(1);
    private const int Longer = 10;

    /// <summary>So many of the jobs it waits for are named.</summary>
    private const int MostNamed = 5;

    // As the reconciler does it (Scheduler/Reconciler.cs): a ticket of 3 s gets a marker, which is looked for every second, comes back when all tickets before it have been
    // delivered, and has a second's grace; one that does not come back is sent again after 60 s at most.
    private const double StaleSeconds = 3;
    private const double SlackSeconds = 1;
    private const double RoundSeconds = 4;
    private const double MarkerOverdueSeconds = 60;

    // ---- waiting for its time

    public static Explanation? Pending(Case c) => c.Scheduled
        ? new("pending", "It was enqueued in a transaction that has been committed since, and is queued within a second.") { Since = c.Job.EnqueuedAt } : null;

    public static Explanation? DueLater(Case c)
    {
        if (c.Job.DueAt is not { } due || due <= c.Now)
        {
            return null;
        }

        var when = $"in {Phrase.Duration(due - c.Now)}, at {Phrase.Time(due)}";
        var last = c.Job.Events.LastOrDefault(e => e.What is "retried" or "snoozed" or "rateLimited" or "crashed" or "unhandled" or "time" or "retryNow");
        var (code, text, since) = last switch
        {
            { What: "retried" } => ("retry", $"Attempt {last.Attempt} failed{Because(c.Job.Errors.LastOrDefault(e => e.Attempt == last.Attempt))}. It is tried again {when}.", last.At),
            { What: "snoozed" } => ("snoozed", $"Attempt {last.Attempt} snoozed: its handler wants it to run again {when}. That uses up no attempt.", last.At),
            { What: "rateLimited" } => ("rate-limited", $"Attempt {last.Attempt} was told by the other side to come back later, and no limit knows the job: it alone waits, and runs again {when}. That uses up no attempt.", last.At),
            { What: "crashed" } => ("rescued", $"The worker of attempt {last.Attempt} died under it, and not for the first time: to find out whether it is the job's fault, it runs apart from the others that ran there, {when}.", last.At),
            { What: "unhandled" } => ("unhandled", $"Its ticket has reached only workers that have no handler for \"{c.Job.Type}\". It is offered again {when}; start a worker of queue \"{c.Job.Queue}\" that has one.", last.At),
            { What: "retryNow", From: { } before } => ("delayed", $"It is a new life of job {before}, given{Phrase.By(last.By, last.Reason)}, and due {when}.", last.At),
            { What: "time" } => ("delayed", $"Its time was set{Phrase.By(last.By, last.Reason)}: it is due {when}.", last.At),
            _ when c.LastError is { } error => ("retry", $"Attempt {error.Attempt} failed{Because(error)}. It is tried again {when}.", error.At),
            _ => ("delayed", $"It was enqueued to be due {when}.", c.Job.EnqueuedAt),
        };
        return new(code, c.Job.State == JobState.Blocked ? $"When nothing else holds it back: {text}" : text) { Since = since, Until = due };

        static string Because(JobError? error) => error is null ? "" : $" with {Phrase.Error(error)}";
    }

    public static Explanation? DueNow(Case c) => c is { Job.DueAt: { } due, Scheduled: true } && due <= c.Now
        ? new("due", $"It is due since {c.Ago(due)}, and is queued within a second or as soon as those that were due before it are.") { Since = due } : null;

    public static Explanation? Expires(Case c) => c.Job.ExpiresAt is not { } expires ? null
        : expires > c.Now ? new("expires", $"If it has not started in {Phrase.Duration(expires - c.Now)} it is no longer worth starting, and expires.") { Until = expires }
        : new("expires", $"It is no longer worth starting since {c.Ago(expires)}: no worker starts it, and a scheduler ends it as expired within two seconds.") { Since = expires };

    // ---- waiting for others

    public async Task<Explanation?> HeldAsync(Case c, CancellationToken ct)
    {
        var held = (await store.AwaitedAsync(c.Job, MostNamed, ct)).FindAll(a => a.HeldAt is not null);
        return held.Count == 0 ? null : new("held", $"It is held: {string.Join(", ", held.Select(h => $"job {h.Id} {Become(h)}"))} without success, and it was enqueued to wait in that case. "
            + "Cancel it, or enqueue it again without that.") { Since = held[0].HeldAt };

        static string Become(Awaited a) => a.State switch { JobState.Failed => "failed", JobState.Cancelled => "was cancelled", JobState.Expired => "expired", _ => "ended" };
    }

    public async Task<Explanation?> WaitsForAsync(Case c, CancellationToken ct)
    {
        var open = (await store.AwaitedAsync(c.Job, MostNamed + 1, ct)).FindAll(a => a.HeldAt is null);
        if (open.Count == 0)
        {
            return null;
        }

        var named = open.Take(MostNamed).Select(a => $"job {a.Id} ({(a.Type is null ? "" : $"{a.Type}, ")}{(a.State is { } state ? Words.Of(state) : "in no table any more")})");
        var more = open.Count > MostNamed ? $" and others, {c.Job.Waits} in all" : "";
        var told = open.TrueForAll(a => a.EndedAt is not null) ? " They have ended; it is told of that within about a second, if a scheduler is alive." : "";
        return new("waits-for", $"It waits for the end of {string.Join(", ", named)}{more}.{told}") { Since = c.Job.EnqueuedAt };
    }

    // ---- waiting for a worker

    public static Explanation? Paused(Case c) => !c.Paused ? null
        : new("queue-paused", $"Queue \"{c.Job.Queue}\" was paused {c.Ago(c.Queue!.PausedAt!.Value)} ago{Phrase.By(c.Queue.PausedBy, c.Queue.PauseReason)}; "
            + (c.Queue.PausedUntil is { } until ? $"it goes on in {Phrase.Duration(until - c.Now)}, or when it is resumed." : "it goes on when it is resumed."))
        { Since = c.Queue.PausedAt, Until = c.Queue.PausedUntil };

    public async Task<Explanation?> NoWorkerAsync(Case c, CancellationToken ct)
    {
        if (c.Serving.Any())
        {
            return null;
        }

        if (c.Alive.Count(p => p is { Slots: 0, Drains: false }) is > 0 and var shut)
        {
            return new("no-worker", $"{Phrase.Count(shut, "live worker")} of queue \"{c.Job.Queue}\" {(shut == 1 ? "has" : "have")} 0 slots for it, and no other serves it: nothing of it is started. "
                + "`jobs workers` shows whether somebody has set that (then: jobs workers slots QUEUE N, or --clear) or their configuration says so.");
        }

        var silent = c.Processes.FirstOrDefault(p => p.Slots > 0);
        var last = silent is null ? await store.LastServedByAsync(c.Job.Queue, null, ct) : null;
        return new("no-worker", $"No live worker serves queue \"{c.Job.Queue}\". {Last(silent, last, c, "has served it")} Start a worker that does.") { Since = last?.EndedAt };
    }

    public async Task<Explanation?> NoHandlerAsync(Case c, CancellationToken ct)
    {
        if (!c.Serving.Any() || c.Able.Any())
        {
            return null;
        }

        var silent = c.Processes.FirstOrDefault(p => p.Slots > 0 && p.Handles);
        var last = silent is null ? await store.LastServedByAsync(c.Job.Queue, c.Job.Type, ct) : null;
        return new("no-handler", $"{Phrase.Count(c.Serving.Count(), "live worker")} of queue \"{c.Job.Queue}\", and none has a handler for \"{c.Job.Type}\". "
            + $"{Last(silent, last, c, "had one")} Start one that has, or move the job to a queue whose workers do.") { Since = last?.EndedAt };
    }

    public async Task<Explanation?> AheadAsync(Case c, CancellationToken ct)
    {
        if (c.Turn is { } turn)
        {
            return await WaitsForTurnAsync(c, turn, ct);
        }

        if (c.Line is not { Ahead: > 0 } line)
        {
            return null;
        }

        var (minutes, ended) = await PaceAsync(c, ct);
        var ahead = $"{(line.Cut ? "At least " : "")}{Phrase.Count(line.Ahead, "job")} {(line.Ahead == 1 ? "is" : "are")} ahead of it"
            + (line.Above == line.Ahead ? ", all of a higher priority" : line.Above > 0 ? $", {line.Above:N0} of them of a higher priority" : " at the same priority");
        if (ended == 0)
        {
            return new("jobs-ahead", $"{ahead}, and queue \"{c.Job.Queue}\" has ended none in the last {Longer} minutes.") { Since = line.TicketAt };
        }

        var left = TimeSpan.FromMinutes((double)line.Ahead * minutes / ended);
        var pace = minutes == 1 ? $"{ended:N0} a minute" : $"{ended:N0} in {minutes} minutes";
        return new("jobs-ahead", $"{ahead}, and queue \"{c.Job.Queue}\" ends {pace}: about {Phrase.Duration(left)} at that pace.") { Since = line.TicketAt, Until = c.Now + left };
    }

    /// <summary>In a fair queue what is ahead is no matter of tickets: of its own value those that are older, of every other as many as it is served meanwhile.</summary>
    private async Task<Explanation?> WaitsForTurnAsync(Case c, Turn turn, CancellationToken ct)
    {
        var ahead = turn.Own + turn.Others + turn.Above;
        if (ahead == 0)
        {
            return null;
        }

        var (minutes, ended) = await PaceAsync(c, ct);
        var text = $"It waits for its turn: {(turn.Key is null ? $"what queue \"{c.Job.Queue}\" has left from when it was fair" : $"queue \"{c.Job.Queue}\"")} is served in turn{(turn.Key is null ? "" : $" of {turn.Key}")}; "
            + $"{Phrase.Count(turn.Own, "job")} of {(turn.Value.Length == 0 ? "those without it" : $"\"{turn.Value}\"")} {(turn.Own == 1 ? "is" : "are")} before it, and {turn.Active:N0} {(turn.Active == 1 ? "value has" : "values have")} jobs waiting at its priority"
            + $"{(turn.Above > 0 ? $", and {Phrase.Count(turn.Above, "job")} of a higher priority" : "")}. Of what waits now up to {Phrase.Count(ahead, "job")} {(ahead == 1 ? "is" : "are")} started before it";
        if (ended == 0)
        {
            return new("fair-turn", $"{text}, and the queue has ended none in the last {Longer} minutes.") { Since = turn.TicketAt };
        }

        var left = TimeSpan.FromMinutes((double)ahead * minutes / ended);
        return new("fair-turn", $"{text}: about {Phrase.Duration(left)} at the pace of the last {(minutes == 1 ? "minute" : $"{minutes} minutes")}.") { Since = turn.TicketAt, Until = c.Now + left };
    }

    /// <summary>How many jobs of its queue ended in so many minutes.</summary>
    private async Task<(int Minutes, long Ended)> PaceAsync(Case c, CancellationToken ct)
    {
        var ended = await store.EndedLatelyAsync(c.Job.Queue, Lately, ct);
        return ended > 0 ? (1, ended) : (Longer, await store.EndedLatelyAsync(c.Job.Queue, Longer * Lately, ct));
    }

    public static Explanation? Busy(Case c)
    {
        if (!c.Able.Any() || !c.Busy || c.Line is not { Longest: { } longest, LongestSince: { } since })
        {
            return null;
        }

        return new("slots-busy", $"All {Phrase.Count(c.Able.Sum(p => p.Slots!.Value), "slot")} of queue \"{c.Job.Queue}\" on {Phrase.Count(c.Able.Count(), "live worker")} are taken; "
            + $"longest by job {longest}, for {c.Ago(since)}.");
    }

    public static Explanation? Ticket(Case c)
    {
        if (c.Turn is { Own: > 0 } or { Active: > 1 } or { Above: > 0 })
        {
            return null; // any ticket of its queue may be its own
        }

        if (c.Paused || c.Busy || !c.Able.Any() || !c.Scheduled || c.Line is not { TicketAt: { } sent })
        {
            return null;
        }

        var age = (c.Now - sent).TotalSeconds;
        if (age < StaleSeconds)
        {
            return new("ticket", $"Its ticket was sent {c.Ago(sent)} ago and is on its way to a worker.") { Since = sent };
        }

        var (why, seconds) = c.Queue switch
        {
            { SweptTo: { } to, SweptAt: { } back } when to > sent.AddSeconds(SlackSeconds) =>
                ("a marker that was sent after it has come back, so it is lost, or a busy worker holds it", (back - c.Now).TotalSeconds + RoundSeconds),
            { MarkerAt: { } marker } when marker > sent.AddSeconds(SlackSeconds) =>
                ("a marker that was sent after it is on its way", (marker - c.Now).TotalSeconds + MarkerOverdueSeconds + RoundSeconds),
            _ => ("a marker is sent after it", StaleSeconds + RoundSeconds + SlackSeconds),
        };
        seconds = Math.Max(1, Math.Ceiling(seconds));
        return new("ticket", $"Its ticket was sent {c.Ago(sent)} ago and no worker has used it: {why}. If it was lost, it is sent again within {seconds:N0} s.")
        {
            Since = sent, Until = c.Now.AddSeconds(seconds),
        };
    }

    // ---- what is missing

    public static Explanation? NoScheduler(Case c) => c.Scheduled ? null
        : new("no-scheduler", c.Job.State == JobState.Queued
            ? "No scheduler is alive: if its ticket is lost, or its worker dies, nothing mends that. Start one: jobs scheduler"
            : "No scheduler is alive, so nothing queues it when it is due. Start one: jobs scheduler");

    public static Explanation? NoLeader(Case c) => !c.Scheduled || c.Alive.Any(p => p.Leads) ? null
        : new("no-leader", $"{Phrase.Count(c.Alive.Count(p => p.Schedules), "scheduler")} alive, and none leads: one takes the lead within 6 s.");

    // ---- running

    public static Explanation? Running(Case c)
    {
        var on = c.Processes.FirstOrDefault(p => p.Id == c.Job.Session)?.Process ?? "a worker that is gone";
        var far = c.Job.Progress is { } progress && progress.Attempt == c.Job.Attempt
            ? $" It has said {c.Ago(progress.At)} ago that it has done {progress.Done:N0}{(progress.Total is { } total ? $" of {total:N0}" : "")}{(progress.Note is { } note ? $": {note}" : "")}." : "";
        return new("running", $"It runs on {on}, attempt {c.Job.Attempt}{(c.Job.StartedAt is { } start ? $", for {c.Ago(start)}" : "")}.{far}") { Since = c.Job.StartedAt };
    }

    public static Explanation? Cancelling(Case c) => c.Job.CancelRequested is not var (since, by, reason) ? null
        : new("cancelling", $"Its end was asked for {c.Ago(since)} ago{Phrase.By(by, reason)}. Its token is cancelled; its handler has not returned yet, and is abandoned when it ignores that.")
        {
            Since = since,
        };

    public static Explanation? WorkerGone(Case c)
    {
        var worker = c.Processes.FirstOrDefault(p => p.Id == c.Job.Session);
        var then = c.Scheduled ? "A scheduler puts the job back into its queue within seconds of noticing." : "No scheduler is alive to put the job back into its queue. Start one: jobs scheduler";
        return worker is null ? new("worker-gone", $"The worker that ran attempt {c.Job.Attempt} is gone. {then}")
            : worker.HeartbeatAge > c.Ttl ? new("worker-gone", $"{worker.Process}, which runs attempt {c.Job.Attempt}, has not been heard of for {Phrase.Duration(worker.HeartbeatAge)}. {then}")
            {
                Since = c.Now - worker.HeartbeatAge,
            }
            : null;
    }

    // ---- ended

    public static Explanation? Ended(Case c)
    {
        var (job, end) = (c.Job, c.Job.EndedAt ?? c.Now);
        var error = c.LastError;
        var attempts = Phrase.Count(job.Attempt, "attempt");
        var who = job.Events.LastOrDefault(e => e.What is "cancelled" or "cancelRequested");
        var (code, text) = (job.State, error?.Type) switch
        {
            (JobState.Succeeded, _) => ("succeeded", $"It succeeded {c.Ago(end)} ago, after {attempts}."),
            (JobState.Failed, "Jobs.Poison") => ("poison", $"It failed {c.Ago(end)} ago as poison: {error!.Message} Run it alone with the log open."),
            (JobState.Failed, _) => ("failed", $"It failed for good {c.Ago(end)} ago, after {attempts}{(error is null ? "." : $": {Phrase.Error(error)}")}"),
            (JobState.Expired, _) => ("expired", $"It expired {c.Ago(end)} ago. {error?.Message}"),
            (JobState.Cancelled, "Jobs.ParentDidNotSucceed") => ("parent-did-not-succeed", $"It was cancelled {c.Ago(end)} ago. {error!.Message}"),
            _ => ("cancelled", $"It was cancelled {c.Ago(end)} ago{Phrase.By(who?.By, who?.Reason)}.{(error is null ? "" : $" {error.Message}")}"),
        };
        return new(code, text.TrimEnd()) { Since = job.EndedAt };
    }

    public async Task<Explanation?> RetriedAsAsync(Case c, CancellationToken ct) => c.Job.RetriedAs is not { } life ? null
        : new("retried-as", $"It was given a new life: job {life}{((await store.FindStatesAsync([life], ct)).TryGetValue(life, out var found) ? $", which is {Words.Of(found.State)}" : "")}.");

    /// <summary>Who was the last that could, of those that are silent or gone.</summary>
    private static string Last(Presence? silent, (string Process, DateTimeOffset EndedAt, bool Lost)? gone, Case c, string what) =>
        silent is { Drains: true } ? $"{silent.Process} does, but is being drained: it takes no more jobs."
        : silent is not null ? $"{silent.Process} has not been heard of for {Phrase.Duration(silent.HeartbeatAge)}."
        : gone is { } last ? $"The last that {what}, {last.Process}, {(last.Lost ? "died" : "stopped")} {c.Ago(last.EndedAt)} ago."
        : $"None {what} in the last 90 days.";
}
