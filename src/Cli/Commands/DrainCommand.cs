using System.CommandLine;
using Jobs.Producer;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs workers drain SESSION`: one worker finishes what it runs and leaves.</summary>
internal static class DrainCommand
{
    public const int ShortLength = 8;

    public static Command Create(Target target)
    {
        var session = Values.Argument<string>("SESSION", "as `jobs workers` shows it, or the whole id", text =>
            text.Length >= ShortLength && text.Replace("-", "", StringComparison.Ordinal).All(char.IsAsciiHexDigit) ? text
                : throw new FormatException($"The session \"{text}\" is not allowed; use the {ShortLength} characters that `jobs workers` shows, or the whole id."));
        var who = new Who();
        var command = new Command("drain", "Have one worker take no more jobs, finish those it runs, and stop its process") { session };
        who.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            await using var platform = target.Open(parsed);
            var operators = platform.GetRequiredService<IJobOperator>();
            var found = Find(await operators.SessionsAsync(ct), parsed.GetValue(session)!);
            await operators.DrainAsync(found.Id, who.Act(parsed), ct);
            target.Output(parsed).Write(new { id = found.Id, draining = true, running = found.Running }, screen => screen.WriteLine(
                $"{Plain.Short(found.Id)} of {Plain.Line(found.Host)} takes no more jobs and leaves"
                + (found.Running == 0 ? "; it runs none" : $" when the {Phrase.Count(found.Running, "job")} that it runs {(found.Running == 1 ? "has" : "have")} ended")));
            return ExitCode.Done;
        });
        return command;
    }

    private static SessionInfo Find(IReadOnlyList<SessionInfo> sessions, string text)
    {
        var end = text.Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();
        var found = sessions.Where(s => s.Id.ToString("N").EndsWith(end, StringComparison.Ordinal)).ToList();
        return found.Count switch
        {
            1 => found[0],
            0 => throw new JobsException($"There is no session {text}; it may have left. `jobs workers` lists those there are."),
            _ => throw new JobsException($"Several sessions end in {text}; give the whole id of one: {string.Join(", ", found.Select(s => s.Id))}."),
        };
    }
}
