using System.CommandLine;
using System.Text;
using System.Text.Json;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs logs ID`: what a job's handlers wrote to their loggers, also while it runs.</summary>
internal static class LogsCommand
{
    /// <summary>As everything on one line for programs that read as it comes.</summary>
    private static readonly JsonSerializerOptions OneLine = new(Output.Json) { WriteIndented = false };

    private const int Indent = 19; // where the text of a line begins

    private static readonly string[] Levels = [.. Enum.GetValues<LogLevel>().Where(l => l != LogLevel.None).Select(l => l.ToString().ToLowerInvariant())];

    public static Command Create(Target target)
    {
        var id = Values.Argument<JobId>("ID", "the job's id", text => JobId.Parse(text));
        var attempt = Values.Option<int?>("--attempt", "N", "only of this attempt", text => Values.WholeNumber(text) is > 0 and var n ? n
            : throw new FormatException($"The attempt {text} is not allowed; attempts count from 1."));
        var level = Values.Option<LogLevel?>("--level", "LEVEL", $"only of this level and above: {string.Join(", ", Levels)}", Level);
        var follow = new Option<bool>("--follow", "-f") { Description = "wait for more lines until the job has ended" };
        var command = new Command("logs", "Show what a job's handlers wrote to their loggers (--json: an object a line)") { id, attempt, level, follow };
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(id), new JobLogQuery
        {
            Attempt = parsed.GetValue(attempt),
            Level = parsed.GetValue(level) ?? LogLevel.Trace,
            Follow = parsed.GetValue(follow),
        }, ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, JobId id, JobLogQuery query, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var client = platform.GetRequiredService<IJobClient>();
        var job = await client.GetAsync(id, ct)
            ?? throw new JobsException($"There is no job {id} in schema \"{target.Schema(parsed)}\": it never was, or it ended longer ago than history is kept. `jobs list` shows those there are.");
        var output = target.Output(parsed);
        var (count, last) = (0, 0);
        await foreach (var line in client.LogsAsync(id, query, ct))
        {
            count++;
            if (output.IsJson)
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(AsJson(line), OneLine));
                continue;
            }

            if (line.Attempt != last)
            {
                output.Screen.Write(new Text($"attempt {last = line.Attempt}", Styles.Faint));
                output.Screen.WriteLine();
            }

            Show(output.Screen, line);
        }

        if (count == 0 && !output.IsJson)
        {
            output.Screen.WriteLine(Nothing(job, query));
        }

        return ExitCode.Done;
    }

    private static object AsJson(JobLogLine line) => new
    {
        attempt = line.Attempt,
        number = line.Number,
        at = line.At,
        level = line.Level.ToString().ToLowerInvariant(),
        category = line.Category,
        text = line.Text,
        error = line.Error,
        scopes = line.Scopes,
    };

    private static void Show(IAnsiConsole screen, JobLogLine line)
    {
        var parts = new List<(string Text, Style? Style)>
        {
            (Plain.Lines(line.Text), null),
            ($"  {Plain.Line(line.Category)}{string.Concat(line.Scopes.Select(s => " > " + Plain.Line(s)))}", Styles.Faint),
        };
        if (line.Error is { } error)
        {
            parts.Add(("\n" + Plain.Lines(error), Styles.Bad));
        }

        var text = new Paragraph();
        text.Append(line.At.UtcDateTime.ToString("HH:mm:ss.fff ", System.Globalization.CultureInfo.InvariantCulture), Styles.Faint);
        text.Append(Short(line.Level) + ' ', Style(line.Level));
        var (left, room) = (screen.Profile.Width - Indent, Math.Max(20, screen.Profile.Width - Indent));
        foreach (var (part, style) in parts)
        {
            text.Append(Below(part, room, ref left), style);
        }

        screen.Write(text);
        screen.WriteLine();
    }

    /// <summary>With what does not fit on the line below it, from where the text began.</summary>
    private static string Below(string text, int room, ref int left)
    {
        var below = new StringBuilder();
        foreach (var (n, line) in text.Split('\n').Index())
        {
            if (n > 0)
            {
                Break(ref left);
            }

            var rest = line;
            while (rest.Length > left)
            {
                var cut = left > 0 ? rest.LastIndexOf(' ', left) : 0; // the last blank that fits
                if (cut <= 0 && left == room)
                {
                    cut = char.IsHighSurrogate(rest[left - 1]) ? left - 1 : left; // a word that no line has room for
                }

                below.Append(rest.AsSpan(0, Math.Max(0, cut)).TrimEnd());
                rest = rest[Math.Max(0, cut)..].TrimStart();
                Break(ref left);
            }

            below.Append(rest);
            left -= rest.Length;
        }

        return below.ToString();

        void Break(ref int left)
        {
            below.Append('\n').Append(' ', Indent);
            left = room;
        }
    }

    private static string Short(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "info ",
        LogLevel.Warning => "warn ",
        LogLevel.Error => "error",
        _ => "crit ",
    };

    private static Style Style(LogLevel level) => level switch
    {
        LogLevel.Warning => Styles.Busy,
        LogLevel.Error or LogLevel.Critical => Styles.Bad,
        _ => Styles.Faint,
    };

    private static string Nothing(JobInfo job, JobLogQuery query) =>
        job.Attempt == 0 && !query.Follow ? $"Job {job.Id} has not been started yet; it is {Words.Of(job.State)}."
        : query.Attempt is { } attempt && attempt > job.Attempt && !query.Follow ? $"Job {job.Id} has had {job.Attempt} attempts so far."
        : $"No lines{(query.Attempt is { } n ? $" of attempt {n}" : "")}{(query.Level > LogLevel.Trace ? $" at {query.Level.ToString().ToLowerInvariant()} or above" : "")}: the handler wrote none that its worker keeps "
            + "(Jobs:Worker:LogLevel), or they are older than 7 days.";

    private static LogLevel? Level(string text) => Array.FindIndex(Levels, l => l.Equals(text, StringComparison.OrdinalIgnoreCase)) is >= 0 and var i ? (LogLevel)i
        : throw new FormatException($"The level \"{text}\" does not exist; use one of {string.Join(", ", Levels)}.");
}
