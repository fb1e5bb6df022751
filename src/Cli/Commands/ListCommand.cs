using System.CommandLine;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs list`: live and ended jobs, newest first, in pages by key.</summary>
internal static class ListCommand
{
    private const int DefaultLimit = 20;

    public static Command Create(Target target)
    {
        var limit = Values.Option<int?>("--limit", "N", $"jobs a page, 1 to 1000 [default: {DefaultLimit}]", Limit);
        var below = Values.Option<JobId?>("--below", "ID", "the next page: jobs older than this one", text => JobId.Parse(text));
        var command = new Command("list", "List jobs, live and ended, newest first");
        var filter = new FilterOptions(TimeProvider.System);
        filter.AddTo(command);
        command.Options.Add(limit);
        command.Options.Add(below);
        command.SetAction((parsed, ct) =>
            RunAsync(target, parsed, filter.Read(parsed), new JobPage { Limit = parsed.GetValue(limit) ?? DefaultLimit, Below = parsed.GetValue(below) }, ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, JobFilter filter, JobPage page, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var jobs = await platform.GetRequiredService<IJobOperator>().ListAsync(filter, page, ct);
        var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
        var output = target.Output(parsed);
        output.Write(jobs.Select(JobView.AsJson), screen => Show(screen, jobs, now));
        if (jobs.Count == 0 && !output.IsJson)
        {
            output.Screen.WriteLine(jobs.SearchedBack is null ? Nothing(filter, page, target.Schema(parsed)) : "No such jobs among those that were looked at.");
        }

        if (jobs.SearchedBack is { } back)
        {
            Output.Remark($"warning: no index serves this filter, so only jobs back to {Plain.Time(back.CreatedAt)} were looked at. "
                + "Go on with the next page, or narrow it: --ended-from, --enqueued-from, --tag, --batch, --state failed");
        }

        if (jobs.Next is { } next)
        {
            Output.Remark($"next page: {NextPage(filter, page, next)}{target.SchemaArgument(parsed)}");
        }

        return ExitCode.Done;
    }

    private static void Show(IAnsiConsole screen, JobList jobs, DateTimeOffset now)
    {
        if (jobs.Count == 0)
        {
            return;
        }

        var sheet = new Sheet().Add("id").Add("state").Add("type").Add("queue", weight: 3).Add("prio", right: true, weight: 1).Add("attempt", right: true, weight: 2)
            .Add("enqueued", right: true, weight: 4).Add("", weight: 5);
        foreach (var job in jobs)
        {
            sheet.Row(job.Id.ToString(), new Cell(JobView.State(job), Styles.Of(job.State)), job.Type, job.Queue, job.Priority.ToString(), Cell.Of(job.Attempt),
                Plain.Relative(job.EnqueuedAt, now), Remark(job, now));
        }

        sheet.WriteTo(screen);
    }

    /// <summary>What one would ask next about a job in its state.</summary>
    private static Cell Remark(JobInfo job, DateTimeOffset now)
    {
        var error = job.Errors.Count > 0 ? Plain.Line(job.Errors[^1].Message) : null;
        return job switch
        {
            { State: JobState.Running, StartedAt: { } start } => $"for {Plain.Duration(now - start)}{(job.Progress is { } p && p.Attempt == job.Attempt ? ", " + Cut(JobView.Text(p)) : "")}",
            { State: JobState.Scheduled or JobState.Pending, DueAt: { } due } => $"due {Plain.Relative(due, now)}{(error is null ? "" : $" after: {Cut(error)}")}",
            { State: JobState.Succeeded, StartedAt: { } start, EndedAt: { } end } => new Cell($"ran {Plain.Duration(end - start)}", Styles.Faint),
            _ => new Cell(Cut(error ?? ""), Styles.Faint),
        };
    }

    private static int? Limit(string text) => Values.WholeNumber(text) is >= 1 and <= 1000 and var limit ? limit
        : throw new FormatException($"The limit {text} is not allowed; use 1 to 1000, and --below for the next page.");

    private static string Cut(string text) => text.Length <= 60 ? text : text[..59] + "…";

    private static string Nothing(JobFilter filter, JobPage page, string schema)
    {
        var wanted = FilterOptions.Typed(filter);
        return page.Below is { } below ? $"No more jobs{For(wanted)} below {below}."
            : wanted.Length > 0 ? $"No jobs{For(wanted)}. `jobs queues` shows what there is."
            : $"Schema \"{schema}\" has no jobs yet. Enqueue one: jobs enqueue mail.welcome '{{\"to\":\"a@example.org\"}}'";
    }

    private static string For(string wanted) => wanted.Length > 0 ? $" with{wanted}" : "";

    private static string NextPage(JobFilter filter, JobPage page, JobId next) =>
        $"jobs list{FilterOptions.Typed(filter)}{(page.Limit != DefaultLimit ? $" --limit {page.Limit}" : "")} --below {next}";
}
