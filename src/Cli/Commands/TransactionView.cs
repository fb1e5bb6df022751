using Jobs.Postgres;
using Jobs.Producer;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>Transactions as people and programs read them.</summary>
internal sealed class TransactionView(Guid id, SeenTransaction seen, IReadOnlyList<TransactionOrder> orders, IReadOnlyDictionary<Guid, JobState> jobs, DateTimeOffset now)
{
    private const int LabelWidth = 11;

    /// <summary>Prepared and undecided for so long, a transaction stands out: as `jobs doctor` judges it.</summary>
    private static readonly TimeSpan InDoubtAfter = TimeSpan.FromMinutes(1);

    private sealed record Step(DateTimeOffset At, string What, string Text, int? Branch, string? By, string? Reason);

    public static object AsJson(TransactionLine t) => new
    {
        id = t.Id,
        name = t.Name,
        mode = t.Mode,
        state = t.State,
        standsOut = StandsOut(t).Word,
        decision = t.Decision,
        reason = t.Reason,
        createdAt = t.CreatedAt,
        deadlineAt = t.DeadlineAt,
        decidedAt = t.DecidedAt,
        endedAt = t.EndedAt,
        inDoubtSince = t.PreparedAt,
        branches = t.Branches,
        awaited = t.Asked + t.Parked.Count,
        parked = t.Parked,
    };

    public static void Show(IAnsiConsole screen, IReadOnlyList<TransactionLine> lines)
    {
        var sheet = new Sheet().Add("id").Add("state").Add("name").Add("mode", weight: 2).Add("branches", right: true, weight: 1).Add("awaited", right: true, weight: 3).Add("begun", right: true, weight: 4)
            .Add("", weight: 5);
        foreach (var t in lines)
        {
            var (_, words) = StandsOut(t);
            sheet.Row(t.Id.ToString(), new Cell(t.State, words is null ? Style(t.State) : Styles.Bad), Plain.Line(t.Name), t.Mode, Cell.Of(t.Branches), Cell.Of(t.Asked + t.Parked.Count), Plain.Relative(t.CreatedAt, t.Now),
                words is not null ? new Cell(words, Styles.Bad)
                : t is { EndedAt: { } end } ? new Cell($"took {Plain.Duration(end - t.CreatedAt)}{(t.Reason is { } reason ? $": {Plain.Line(reason)}" : "")}", Styles.Faint)
                : t.Reason is { } why ? new Cell(Plain.Line(why), Styles.Faint) : "");
        }

        sheet.WriteTo(screen);
    }

    /// <summary>"branch 2", "branches 2, 3".</summary>
    public static string Branches(IReadOnlyList<int> numbers) => $"{(numbers.Count == 1 ? "branch" : "branches")} {string.Join(", ", numbers)}";

    public object AsJson() => new
    {
        id,
        name = seen.Name,
        mode = seen.Mode,
        state = seen.State,
        decision = seen.Decision,
        reason = seen.Reason,
        createdAt = seen.CreatedAt,
        deadlineAt = seen.DeadlineAt,
        decidedAt = seen.DecidedAt,
        endedAt = seen.EndedAt,
        awaited = seen.Branches.Where(IsAwaited).Select(b => b.Number),
        branches = seen.Branches.Select(b => new
        {
            number = b.Number,
            stage = b.Stage,
            kind = b.Kind,
            state = b.State,
            reason = b.Reason,
            round = b.Round,
            job = b.Job,
            jobState = b.Job is { } job && jobs.TryGetValue(job, out var state) ? Words.Of(state) : null,
            askedAt = b.AskedAt,
            votedAt = b.VotedAt,
            endedAt = b.EndedAt,
            payload = JobView.Embedded(b.Arguments),
        }),
        orders = orders.Select(o => new { at = o.At, verb = o.Verb, branch = o.Branch, by = o.By, reason = o.Reason, toldAt = o.ToldAt }),
        story = Story().Select(s => new { at = s.At, what = s.What, text = s.Text, branch = s.Branch, by = s.By, reason = s.Reason }),
    };

    public void Show(IAnsiConsole screen)
    {
        void Line(string label, string? value, Style? style = null)
        {
            if (value is not null)
            {
                screen.Write(new Text(label.PadRight(LabelWidth), Styles.Faint));
                screen.Write(new Text(Plain.Lines(value).ReplaceLineEndings("\n" + new string(' ', LabelWidth)), style));
                screen.WriteLine();
            }
        }

        string? When(DateTimeOffset? time) => time is { } t ? $"{Plain.Time(t)}  {Plain.Relative(t, now)}" : null;

        Line("id", id.ToString());
        Line("name", $"{seen.Name}, {(seen.Mode == "saga" ? "a saga" : "two phases")}");
        Line("state", seen.State, Style(seen.State));
        Line("decision", seen.Decision ?? (seen.State == "parked" ? "none yet: it is parked" : "none yet"));
        Line("reason", seen.Reason);
        Line("begun", When(seen.CreatedAt));
        Line("deadline", seen.Decision is null ? When(seen.DeadlineAt) : null, seen.DeadlineAt < now ? Styles.Bad : Styles.Faint);
        Line("decided", seen.DecidedAt is { } decided ? $"{When(decided)}, after {Plain.Duration(decided - seen.CreatedAt)}" : null);
        Line("ended", seen.EndedAt is { } ended ? $"{When(ended)}, after {Plain.Duration(ended - seen.CreatedAt)}" : null);
        var awaited = seen.Branches.Where(IsAwaited).ToList();
        Line("awaited", awaited.Count == 0 ? null : string.Join('\n', awaited.Select(b => $"branch {b.Number} ({b.Kind}), {b.State}{(b.AskedAt is { } asked ? $" for {Plain.Duration(now - asked)}" : "")}"
            + (b.State == "parked" ? $": jobs transactions retry-branch {id} {b.Number}, or resolve" : b.Job is { } job ? $": jobs explain {job}" : ""))), awaited.Exists(b => b.State == "parked") ? Styles.Bad : Styles.Busy);
        screen.WriteLine();
        var sheet = new Sheet().Add("branch", right: true).Add("stage", right: true, weight: 1).Add("kind").Add("state").Add("job", weight: 4).Add("", weight: 3).Add("asked", right: true, weight: 2);
        sheet.Add("voted after", right: true, weight: 2).Add("", weight: 5);
        foreach (var b in seen.Branches)
        {
            sheet.Row(b.Number.ToString(), b.Stage.ToString(), b.Kind, new Cell(b.State, Style(b.State)), b.Job?.ToString() ?? "", b.Job is { } job && jobs.TryGetValue(job, out var state) ? new Cell(Words.Of(state), Styles.Of(state)) : "",
                b.AskedAt is { } asked ? Plain.Relative(asked, now) : "", b.VotedAt is { } voted ? Plain.Duration(voted - seen.CreatedAt) : "", new Cell(b.Reason is { } reason ? Plain.Line(reason) : "", Styles.Faint));
        }

        sheet.WriteTo(screen);
        screen.WriteLine();
        screen.Write(new Text("story", Styles.Faint));
        screen.WriteLine();
        foreach (var step in Story())
        {
            screen.Write(new Text($"  {step.At.UtcDateTime:yyyy-MM-dd HH:mm:ss.fff}  ", Styles.Faint));
            screen.Write(new Text(Plain.Line(step.Text), step.What switch { "parked" or "no" => Styles.Bad, "ordered" => Styles.Busy, "decided" => Styles.Good, _ => Spectre.Console.Style.Plain }));
            screen.WriteLine();
        }
    }

    private static bool IsAwaited(SeenBranch branch) => branch.State is "preparing" or "committing" or "aborting" or "parked";

    /// <summary>What the rows remember: of each branch what it was asked last, its vote and its end.</summary>
    private IReadOnlyList<Step> Story()
    {
        var story = new List<Step> { new(seen.CreatedAt, "begun", $"begun with {Phrase.Count(seen.Branches.Count, "branch").Replace("branchs", "branches", StringComparison.Ordinal)}", null, null, null) };
        foreach (var b in seen.Branches)
        {
            var name = $"branch {b.Number} ({b.Kind})";
            if (b.VotedAt is { } voted)
            {
                var (what, text) = b.State switch
                {
                    "parked" when seen.Decision is null => ("parked", $"{name} failed too often and is parked{Because(b)}"),
                    "refused" => ("no", $"{name} said no{Because(b)}"),
                    "aborted" or "aborting" when seen.Reason is { } reason && reason.StartsWith($"Branch {b.Number} ", StringComparison.Ordinal) => ("no", $"{name} said no"),
                    _ => ("yes", seen.Mode == "saga" ? $"{name} has run" : $"{name} said yes"),
                };
                story.Add(new(voted, what, text, b.Number, null, b.Reason));
            }

            if (b.AskedAt is { } asked && asked > seen.CreatedAt)
            {
                story.Add(new(asked, "asked", $"{name} was asked to {Asked(b)}", b.Number, null, null));
            }

            if (b.EndedAt is { } end)
            {
                story.Add(new(end, b.State, $"{name} is {b.State}{Because(b)}", b.Number, null, b.Reason));
            }
        }

        story.AddRange(orders.Select(o => new Step(o.At, "ordered", $"{o.Verb}{(o.Branch is { } n ? $" of branch {n}" : "")} was ordered by {o.By}{(o.Reason is { } r ? $": {r}" : "")}"
            + (o.ToldAt is null && o.Verb != "abort" ? " (the coordinators do not know of it yet)" : ""), o.Branch, o.By, o.Reason)));
        if (seen.DecidedAt is { } decided)
        {
            story.Add(new(decided, "decided", $"decided to {seen.Decision}{(seen.Reason is { } why ? $": {why}" : "")}", null, null, seen.Reason));
        }

        if (seen.EndedAt is { } ended)
        {
            story.Add(new(ended, "ended", seen.State, null, null, null));
        }

        return [.. story.OrderBy(s => s.At)];
    }

    private string Asked(SeenBranch b) => seen.Decision switch { "commit" => "commit", "abort" when b.State is "aborting" or "aborted" or "parked" => seen.Mode == "saga" ? "undo it" : "abort", _ => seen.Mode == "saga" ? "run" : "prepare" };

    private static string Because(SeenBranch b) => b.Reason is { } reason ? $": {reason}" : "";

    private static (string? Word, string? Text) StandsOut(TransactionLine t) =>
        t.State == "parked" ? ("parked", $"PARKED: {Branches(t.Parked)}")
        : t.PreparedAt is { } prepared && t.Now - prepared >= InDoubtAfter ? ("inDoubt", $"IN DOUBT for {Plain.Duration(t.Now - prepared)}")
        : t is { EndedAt: null, DecidedAt: null, Decision: { } decision } ? ("untold", $"NOT TOLD: it is decided to {decision}, and no coordinator has heard of it")
        : t is { State: "running", Decision: null } && t.DeadlineAt < t.Now ? ("overdue", $"OVERDUE by {Plain.Duration(t.Now - t.DeadlineAt)}")
        : (null, null);

    private static Style Style(string state) => state switch
    {
        "committed" => Styles.Good,
        "parked" or "refused" => Styles.Bad,
        "aborted" or "waiting" => Styles.Faint,
        "prepared" => Styles.Of(JobState.Queued),
        _ => Styles.Busy,
    };
}
