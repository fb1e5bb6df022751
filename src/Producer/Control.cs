using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Producer;

/// <summary>
/// Changes jobs for an operator, page by page. What a statement left, because it is or has become something else, is looked at for the reason; what could be done by then is tried again.
/// </summary>
internal sealed class Control(ControlStore store, TicketPublisher tickets, Followers followers, CoordinationTelemetry telemetry, IOptions<JobsOptions> options, ILogger<Control> log)
{
    private const int MaxWords = 200;

    /// <summary>A job that changes between each statement and the look after it, this often in a row, is given up on.</summary>
    private const int Rounds = 20;

    private static readonly JobState[] Ended = [JobState.Succeeded, JobState.Failed, JobState.Cancelled, JobState.Expired];

    public Task<ActReport> CancelAsync(JobFilter filter, Act? act, bool dryRun, IProgress<long>? progress, CancellationToken ct)
    {
        CheckLive(filter, "cancelled");
        var doer = DoerOf(act);
        return RunAsync(new Verb("cancelled", Verb.Cancel, filter, null)
        {
            ChangeLive = async (f, cursor, c) =>
            {
                var page = await store.CancelAsync(f, cursor, doer, c);
                telemetry.Ended(JobState.Cancelled, page.Jobs.Count(j => j.Change == Change.Done));
                return page;
            },
        }, filter, doer, dryRun, progress, ct);
    }

    public Task<ActReport> SetPriorityAsync(JobFilter filter, JobPriority priority, Act? act, bool dryRun, IProgress<long>? progress, CancellationToken ct)
    {
        CheckLive(filter, "given another priority");
        var (doer, past) = (DoerOf(act), $"given priority {priority}");
        return RunAsync(new Verb(past, j => Verb.Waiting(j, past), filter, null) { ChangeLive = (f, cursor, c) => store.SetPriorityAsync(f, cursor, priority.Value, doer, c) },
            filter, doer, dryRun, progress, ct);
    }

    public Task<ActReport> MoveAsync(JobFilter filter, JobMove move, Act? act, bool dryRun, IProgress<long>? progress, CancellationToken ct)
    {
        CheckLive(filter, "moved");
        CheckMove(move);
        var doer = DoerOf(act);
        return RunAsync(new Verb("moved", j => Verb.Waiting(j, "moved"), filter, null) { ChangeLive = (f, cursor, c) => store.MoveAsync(f, cursor, move, doer, c) },
            filter, doer, dryRun, progress, ct);
    }

    public Task<ActReport> DeleteAsync(JobFilter filter, Act? act, bool dryRun, IProgress<long>? progress, CancellationToken ct)
    {
        var (live, ended) = (filter.State is null or <= JobState.Running && !AsksForEnded(filter), filter.State is null or > JobState.Running);
        return RunAsync(new Verb("deleted", Verb.Delete, live ? filter : null, ended ? filter : null)
        {
            ChangeLive = store.DeleteWaitingAsync,
            ChangeEnded = store.DeleteEndedAsync,
        }, filter, DoerOf(act), dryRun, progress, ct);
    }

    public async Task<ActReport> RetryAsync(JobFilter filter, Act? act, bool dryRun, IProgress<long>? progress, CancellationToken ct)
    {
        if (filter.State is { } state and not JobState.Scheduled && !Ended.Contains(state))
        {
            throw new ArgumentException($"Jobs in state {Words.Of(state)} have nothing to be tried again; use scheduled, failed, cancelled, expired or succeeded, or no state for scheduled and failed ones.",
                nameof(filter));
        }

        var (doer, any) = (DoerOf(act), filter.Ids.Count > 0);
        var live = filter.State is null or JobState.Scheduled && !AsksForEnded(filter) ? filter with { State = any ? filter.State : JobState.Scheduled } : null;
        var ended = filter.State is not JobState.Scheduled ? filter with { State = filter.State ?? (any ? null : JobState.Failed) } : null;
        DateTimeOffset? before = any || dryRun ? null : await store.NowAsync(ct); // what ends because of this, or is given now and ends at once, is not meant
        return await RunAsync(new Verb("queued", Verb.Retry, live, ended)
        {
            ChangeLive = (f, cursor, c) => store.RetryScheduledAsync(f, cursor, doer, c),
            ChangeEnded = (f, cursor, c) => store.RetryEndedAsync(f, cursor, before, redrive: null, rate: null, given: 0, doer, c),
            OldestFirst = true,
        }, filter, doer, dryRun, progress, ct);
    }

    public async Task<RedriveReport> RedriveAsync(JobFilter filter, RedriveOptions? redrive, Act? act, CancellationToken ct)
    {
        redrive ??= new RedriveOptions();
        if (filter.State is { } state and not JobState.Failed)
        {
            throw new ArgumentException($"Only failed jobs are redriven, and the filter asks for state {Words.Of(state)}; leave it out, or use RetryAsync.", nameof(filter));
        }

        if (redrive.Rate is { } rate && rate is not (>= 0.01 and <= 100_000))
        {
            throw new ArgumentOutOfRangeException(nameof(redrive), rate, $"The rate {rate} is not allowed; use 0.01 to 100,000 jobs a second, or none.");
        }

        var doer = DoerOf(act);
        filter = filter with { State = JobState.Failed };
        if (redrive.DryRun)
        {
            return new RedriveReport(null, (await store.CountAsync(null, filter, ct)).Where(c => c.Glance.RetriedAs is null).Sum(c => c.Count), null);
        }

        var id = JobId.New();
        var began = await store.BeginRedriveAsync(id, redrive.Rate, doer, ct);
        var (cursor, given, lastDue) = (Guid.Empty, 0L, (DateTimeOffset?)null);
        ChangedPage page;
        do
        {
            page = await store.RetryEndedAsync(filter, cursor, began, id, redrive.Rate, given, doer, ct);
            await SettleAsync(page);
            cursor = page.Jobs.Count == 0 ? cursor : page.Jobs.Max(j => j.Id.Value);
            given += page.Jobs.Count(j => j.Change == Change.Done);
            lastDue = page.LastDue ?? lastDue;
            redrive.Progress?.Report(given);
        }
        while (page.Jobs.Count == ControlStore.Page);
        log.Acted("redriven", given, 0, doer.By, doer.Reason ?? "no reason given");
        return new RedriveReport(id, given, lastDue);
    }

    public async Task<ActReport> UndoRedriveAsync(JobId redrive, Act? act, CancellationToken ct)
    {
        var doer = DoerOf(act);
        if (!await store.StopRedriveAsync(redrive, doer, ct))
        {
            throw new JobsException($"There is no redrive {redrive}; its id is what RedriveAsync returned, and its jobs have it as the tag \"redrive:ID\".");
        }

        var tally = new ActTally([]);
        var cursor = ControlStore.Top;
        ChangedPage page;
        do
        {
            page = await store.UndoAsync(redrive, cursor, doer, ct);
            await SettleAsync(page);
            cursor = page.Jobs.Count == 0 ? cursor : page.Jobs.Min(j => j.Id.Value);
            tally.Count(ActOutcome.Done, page.Jobs.Count(j => j.Change == Change.Done));
        }
        while (page.Jobs.Count == ControlStore.Page);
        var (live, ended) = await store.CountRedrivenAsync(redrive, ct);
        tally.Count(ActOutcome.Running, live);
        tally.Count(ActOutcome.Ended, ended);
        var report = tally.Report();
        log.Acted("taken back", report.Done, report.Left, doer.By, doer.Reason ?? "no reason given");
        return report;
    }

    private async Task<ActReport> RunAsync(Verb verb, JobFilter filter, Doer doer, bool dryRun, IProgress<long>? progress, CancellationToken ct)
    {
        var tally = new ActTally(filter.Ids);
        if (dryRun)
        {
            await PredictAsync(verb, filter, tally, ct);
            return tally.Report();
        }

        await PassAsync(verb, verb.Live, verb.Ended, tally, progress, ct);
        await ResolveAsync(verb, filter, tally.Unanswered(), tally, ct);
        var report = tally.Report();
        log.Acted(verb.Past, report.Done, report.Left, doer.By, doer.Reason ?? "no reason given");
        return report;
    }

    /// <summary>Once through all that matches, the live jobs first. With ids, what was left is not resolved.</summary>
    private async Task PassAsync(Verb verb, JobFilter? live, JobFilter? ended, ActTally tally, IProgress<long>? progress, CancellationToken ct)
    {
        var looked = 0L;
        foreach (var (filter, change, upwards) in new[] { (live, verb.ChangeLive, false), (ended, verb.ChangeEnded, verb.OldestFirst) })
        {
            var wanted = filter is { Ids.Count: > 0 } ? filter with { Ids = tally.Unanswered() } : filter; // nothing is done twice to one job
            var cursor = upwards ? Guid.Empty : ControlStore.Top;
            for (var full = wanted is not null && change is not null && wanted.Ids.Count > 0 == filter!.Ids.Count > 0; full;)
            {
                ct.ThrowIfCancellationRequested();
                var page = await change!(wanted!, cursor, ct);
                await SettleAsync(page);
                var left = tally.Add(verb, page);
                if (wanted!.Ids.Count == 0)
                {
                    await ResolveAsync(verb, wanted, left, tally, ct);
                }

                full = page.Jobs.Count == ControlStore.Page;
                cursor = page.Jobs.Count == 0 ? cursor : upwards ? page.Jobs.Max(j => j.Id.Value) : page.Jobs.Min(j => j.Id.Value);
                looked += page.Jobs.Count;
                progress?.Report(looked);
            }
        }
    }

    /// <summary>Says why these were left, and does what can be done by now.</summary>
    private async Task ResolveAsync(Verb verb, JobFilter filter, IReadOnlyList<JobId> left, ActTally tally, CancellationToken ct)
    {
        for (var round = 1; left.Count > 0; round++)
        {
            var seen = await store.LookAsync([.. left.Select(l => l.Value)], verb.Live ?? filter, verb.Ended ?? filter, ct);
            var again = new List<JobId>();
            foreach (var id in left)
            {
                var (outcome, words) = Judge(verb, seen.GetValueOrDefault(id));
                if (outcome is not (ActOutcome.Done or ActOutcome.Requested))
                {
                    tally.Add(id, outcome, words);
                }
                else if (round > Rounds)
                {
                    tally.Add(id, ActOutcome.Unchanged, "keeps changing; try again");
                }
                else
                {
                    again.Add(id);
                }
            }

            if (again.Count == 0)
            {
                return;
            }

            var few = new ActTally(again);
            await PassAsync(verb, verb.Live is { } live ? live with { Ids = again } : null, verb.Ended is { } ended ? ended with { Ids = again } : null, few, null, ct);
            left = few.Unanswered();
            few.MoveTo(tally);
        }
    }

    /// <summary>Says what would be done.</summary>
    private async Task PredictAsync(Verb verb, JobFilter filter, ActTally tally, CancellationToken ct)
    {
        if (filter.Ids.Count == 0)
        {
            foreach (var (glance, count) in await store.CountAsync(verb.Live, verb.Ended, ct))
            {
                tally.Count(verb.Judge(glance).Outcome, count);
            }

            return;
        }

        var seen = await store.LookAsync([.. filter.Ids.Select(i => i.Value)], verb.Live ?? filter, verb.Ended ?? filter, ct);
        foreach (var id in tally.Unanswered())
        {
            var (outcome, words) = Judge(verb, seen.GetValueOrDefault(id));
            tally.Add(id, outcome, outcome is ActOutcome.Done or ActOutcome.Requested ? $"would be {words}" : words);
        }
    }

    private static (ActOutcome Outcome, string Words) Judge(Verb verb, Glance? job)
    {
        if (job is null)
        {
            return (ActOutcome.NotFound, "does not exist: it never did, or it ended longer ago than history is kept");
        }

        var judged = verb.Judge(job);
        return job.Matches || judged.Outcome is not (ActOutcome.Done or ActOutcome.Requested) ? judged
            : (ActOutcome.NotMatched, $"is {Words.Of(job.State)}, and not what the filter asks for");
    }

    /// <summary>Tickets for what was queued; word to those that wait for what has ended.</summary>
    private async Task SettleAsync(ChangedPage page)
    {
        await tickets.SendAsync(page.Tickets, CancellationToken.None);
        if (page.Followed.Count + page.Batches.Count > 0)
        {
            await followers.TellNowAsync(new Followed(page.Followed, page.Batches), CancellationToken.None);
        }
    }

    /// <summary>Who it is said to be by, and why.</summary>
    /// <exception cref="ArgumentException">A word is too long, empty, or holds a NUL.</exception>
    public Doer DoerOf(Act? act) => new(Word(act?.By, "name of who does it") ?? options.Value.AppName, Word(act?.Reason, "reason"));

    private static string? Word(string? text, string what) => text is null ? null
        : text.Length > MaxWords ? throw new ArgumentException($"The {what} has {text.Length} characters; at most {MaxWords} are allowed.", nameof(text))
        : string.IsNullOrWhiteSpace(text) || text.Contains('\0', StringComparison.Ordinal) ? throw new ArgumentException($"The {what} is empty or holds a NUL; leave it out, or give it words.", nameof(text))
        : text;

    private static void CheckLive(JobFilter filter, string past)
    {
        if (filter.State is { } state && Ended.Contains(state))
        {
            throw new ArgumentException($"Jobs that have ended cannot be {past}, and the filter asks for state {Words.Of(state)}; use one of the states of live jobs, or none.", nameof(filter));
        }

        if (AsksForEnded(filter))
        {
            throw new ArgumentException($"Jobs that have ended cannot be {past}, and the filter asks for the time of an end; leave it out.", nameof(filter));
        }
    }

    private static bool AsksForEnded(JobFilter filter) => filter.EndedFrom is not null || filter.EndedTo is not null;

    private static void CheckMove(JobMove move)
    {
        ArgumentNullException.ThrowIfNull(move);
        if (move is { Queue: null, Delay: null, RunAt: null })
        {
            throw new ArgumentException("The move names neither a queue nor a time; set Queue, Delay or RunAt.", nameof(move));
        }

        if (move is { Delay: not null, RunAt: not null })
        {
            throw new ArgumentException("Delay and RunAt are both set; set one of them.", nameof(move));
        }

        _ = move.Delay is { } delay ? Delays.Check(delay) : default;
        _ = move.RunAt is { } runAt ? Delays.CheckTime(runAt) : default;
    }
}
