using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs doctor`: examines the installation; the exit code is the verdict.</summary>
internal static class DoctorCommand
{
    public static Command Create(Target target)
    {
        var command = new Command("doctor", "Examine the installation: servers, schedulers, workers, and what should be impossible. Exit code 0 ok, 3 warn, 4 bad");
        var participants = Values.Options<string>("--participant", "CONNECTION", "also look for what is long prepared in this participant's database, as Npgsql connection string", text => text);
        var age = Values.Option<TimeSpan?>("--prepared-longer", "DURATION", "how long is long [default: 1m]", text => Plain.ParseDuration(text));
        command.Options.Add(participants);
        command.Options.Add(age);
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(participants) ?? [], parsed.GetValue(age) ?? TimeSpan.FromMinutes(1), ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, string[] participants, TimeSpan age, CancellationToken ct)
    {
        await using var platform = target.Open(parsed, broker: true);
        var diagnosis = await platform.GetRequiredService<IJobOperator>().DoctorAsync(ct);
        if (participants.Length > 0 && diagnosis.Checks.Any(c => c is { Name: "schema", Verdict: Health.Ok }))
        {
            diagnosis = new Diagnosis([.. diagnosis.Checks, .. await platform.GetRequiredService<Producer.Doctor>().PreparedAsync(participants, age, ct)]);
        }

        target.Output(parsed).Write(
            new
            {
                verdict = Word(diagnosis.Verdict),
                checks = diagnosis.Checks.Select(c => new { name = c.Name, verdict = Word(c.Verdict), text = c.Text, remedy = c.Remedy, value = c.Value, oldest = c.Oldest }),
            },
            screen => Show(screen, diagnosis));
        return diagnosis.Verdict switch { Health.Ok => ExitCode.Done, Health.Warn => ExitCode.Warn, _ => ExitCode.Bad };
    }

    private static void Show(IAnsiConsole screen, Diagnosis diagnosis)
    {
        var width = diagnosis.Checks.Max(c => c.Name.Length);
        foreach (var check in diagnosis.Checks)
        {
            screen.Write(new Text(Word(check.Verdict).PadRight(6), Styles.Of(check.Verdict)));
            screen.Write(new Text(check.Name.PadRight(width + 2), Styles.Faint));
            screen.Write(new Text(Plain.Line(check.Text)));
            screen.WriteLine();
            if (check.Verdict != Health.Ok && check.Remedy is { } remedy)
            {
                screen.Write(new Text($"{new string(' ', 6 + width + 2)}{Plain.Line(remedy)}", Styles.Faint));
                screen.WriteLine();
            }
        }
    }

    private static string Word(Health verdict) => verdict switch { Health.Ok => "ok", Health.Warn => "warn", _ => "bad" };
}
