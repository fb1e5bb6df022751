using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs get ID`: all that is known about one job, live or ended.</summary>
internal static class GetCommand
{
    private const int LabelWidth = 11;

    private static readonly JsonSerializerOptions Readable = new(Output.Json) { WriteIndented = true };

    public static Command Create(Target target)
    {
        var id = Values.Argument<JobId>("ID", "the job's id", text => JobId.Parse(text));
        var command = new Command("get", "Show one job, live or ended") { id };
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(id), ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, JobId id, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var job = await platform.GetRequiredService<IJobClient>().GetAsync(id, ct)
            ?? throw new JobsException($"There is no job {id} in schema \"{target.Schema(parsed)}\": it never was, or it ended longer ago than history is kept. `jobs list` shows those there are.");
        var story = await platform.GetRequiredService<IJobOperator>().TimelineAsync(id, ct) ?? [];
        var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
        target.Output(parsed).Write(AsJson(job, story), screen =>
        {
            Show(screen, job, now);
            StoryView.Show(screen, story);
        });
        return ExitCode.Done;
    }

    private static JsonNode AsJson(JobInfo job, IReadOnlyList<TimelineEntry> story)
    {
        var json = JsonSerializer.SerializeToNode(JobView.AsJson(job), Output.Json)!;
        json["story"] = JsonSerializer.SerializeToNode(story.Select(StoryView.AsJson), Output.Json);
        return json;
    }

    private static string? Lives(JobInfo job)
    {
        var lives = new[] { job.RetryOf is { } before ? $"a new one of {before}" : null, job.RetriedAs is { } after ? $"a new one was given to it: {after}" : null }.OfType<string>().ToList();
        return lives.Count == 0 ? null : string.Join('\n', lives);
    }

    private static void Show(IAnsiConsole screen, JobInfo job, DateTimeOffset now)
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

        Line("id", job.Id.ToString());
        Line("type", job.Type);
        Line("queue", $"{job.Queue}, priority {job.Priority}");
        Line("state", JobView.State(job), Styles.Of(job.State));
        Line("", job.CancelRequested is { } asked ? $"asked for by {asked.By ?? "somebody"} {Plain.Relative(asked.At, now)}{(asked.Reason is { } why ? $": {why}" : "")}" : null, Styles.Faint);
        Line("enqueued", When(job.EnqueuedAt));
        Line("life", Lives(job));
        Line("due", When(job.DueAt));
        Line("expires", When(job.ExpiresAt));
        Line("started", When(job.StartedAt));
        Line("ended", When(job.EndedAt));
        Line("ran", job.EndedAt - job.StartedAt is { } ran ? Plain.Duration(ran) : null);
        Line("attempts", job.Attempt == 0 ? "none yet" : $"{job.Attempt} started, {job.Failures} failed" + (job.Crashes > 0 ? $", {job.Crashes} lost with their worker" : ""));
        Line("progress", job.Progress is { } p ? $"{JobView.Text(p)}  (attempt {p.Attempt}, {Plain.Relative(p.At, now)})" : null);
        Line("unique", job.UniqueKey);
        Line("batch", job.Batch is { } batch ? $"{batch}  (jobs batch {batch})" : null);
        Line("after", job.After.Count > 0 ? string.Join('\n', job.After) + (job.Waits > 0 ? $"\n{job.Waits} of them not ended yet" : "") : null);
        Line("session", job.Session is { } session ? $"{session}  ({Plain.Short(session)} in `jobs workers`)" : null);
        Line("arguments", JsonSerializer.Serialize(JobView.Embedded(job.Arguments), Readable));
        Line("tags", job.Tags.Count > 0 ? string.Join(", ", job.Tags) : null);
        Line("metadata", job.Metadata.Count > 0 ? string.Join('\n', job.Metadata.Select(m => $"{m.Key} = {m.Value}")) : null);
        Line("result", job.Result is { } result ? JsonSerializer.Serialize(JobView.Embedded(result), Readable) : null);
    }
}
