using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs explain ID`: why a job has not started and when it will, or why it ended as it did.</summary>
internal static class ExplainCommand
{
    private const string NotFound = "not-found";

    public static Command Create(Target target)
    {
        var id = Values.Argument<JobId>("ID", "the job's id", text => JobId.Parse(text));
        var command = new Command("explain", "Say why a job has not started and when it will, or why it ended as it did") { id };
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(id), ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, JobId id, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var reasons = await platform.GetRequiredService<IJobOperator>().ExplainAsync(id, ct);
        target.Output(parsed).Write(
            reasons.Select(r => new { code = r.Code, text = r.Text, since = r.Since, until = r.Until }),
            screen => Show(screen, reasons));
        return reasons[0].Code == NotFound ? ExitCode.Failed : ExitCode.Done;
    }

    private static void Show(IAnsiConsole screen, IReadOnlyList<Explanation> reasons)
    {
        var width = reasons.Max(r => r.Code.Length) + 2;
        foreach (var reason in reasons)
        {
            screen.Write(new Text(reason.Code.PadRight(width), Styles.Faint));
            screen.Write(new Text(Plain.Line(reason.Text), reason == reasons[0] ? Style.Plain : Styles.Faint));
            screen.WriteLine();
        }
    }
}
