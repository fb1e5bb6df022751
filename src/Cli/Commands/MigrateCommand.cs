using System.CommandLine;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs migrate`: brings the schema up to date. Safe to run at any time, by several at once.</summary>
internal static class MigrateCommand
{
    public static Command Create(Target target)
    {
        var command = new Command("migrate", "Bring the schema up to date");
        command.SetAction((parsed, ct) => RunAsync(target, parsed, ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, CancellationToken ct)
    {
        await using var platform = target.Open(parsed, migrate: true);
        var applied = await Migrator.RunAsync(platform.GetRequiredService<Database>(), apply: true, ct);
        var schema = target.Schema(parsed);
        target.Output(parsed).Write(
            new { schema, applied },
            screen => screen.WriteLine(applied.Count == 0
                ? $"Schema \"{schema}\" is up to date."
                : $"Schema \"{schema}\" is up to date now; applied {string.Join(", ", applied)}."));
        return ExitCode.Done;
    }
}
