using System.CommandLine;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs redrive` gives failed jobs new lives in bulk; `jobs undo ID` takes those back that have not been started.</summary>
internal static class RedriveCommand
{
    public static Command Create(Target target)
    {
        var filter = new FilterOptions(TimeProvider.System);
        var rate = Values.Option<double?>("--rate", "N", "at most this many a second; goes on when this command has ended [default: all now]", Rate);
        var reason = ActCommand.Reason();
        var dryRun = new Option<bool>("--dry-run") { Description = "change nothing, say how many there are" };
        var yes = new Option<bool>("--yes") { Description = "all failed jobs, when no option says which" };
        var command = new Command("redrive", "Give failed jobs a new life each, oldest first; its id is the answer");
        filter.AddTo(command, state: false);
        foreach (var option in new Option[] { rate, reason, dryRun, yes })
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, ct) =>
        {
            var (wanted, dry) = (filter.Read(parsed), parsed.GetValue(dryRun));
            if (FilterOptions.IsEmpty(wanted) && !dry && !parsed.GetValue(yes))
            {
                throw new UsageException("No option says which failed jobs, for example --type mail.welcome --error timeout. --yes means all of them; see how many there are with --dry-run.");
            }

            var platform = await OpenAsync(target, parsed, ct);
            var ticker = new Ticker("redriven", platform.Services.GetRequiredService<TimeProvider>());
            var report = await platform.Services.GetRequiredService<IJobOperator>().RedriveAsync(wanted, new RedriveOptions { Rate = parsed.GetValue(rate), DryRun = dry, Progress = ticker },
                ActCommand.By(parsed.GetValue(reason)), ct);
            ticker.End();
            await platform.EndAsync();
            var now = platform.Now;
            target.Output(parsed).Write(new { dryRun = dry, id = report.Id?.Value, count = report.Count, lastDueAt = report.LastDueAt }, screen =>
            {
                screen.Write(new Text($"{report.Count:N0} failed jobs {(dry ? "would be given" : "were given")} a new life", report.Count > 0 ? Styles.Good : Styles.Faint));
                screen.WriteLine(report.LastDueAt is { } last ? $"; the last starts {Plain.Relative(last, now)}" : "");
                if (report is { Id: { } id, Count: > 0 })
                {
                    Output.Remark($"See them: jobs list --tag redrive:{id}{target.SchemaArgument(parsed)}");
                    Output.Remark($"Take back what has not been started: jobs undo {id}{target.SchemaArgument(parsed)}");
                }
            });
            return ExitCode.Done;
        });
        return command;
    }

    public static Command CreateUndo(Target target)
    {
        var id = Values.Argument<JobId>("ID", "what `jobs redrive` answered", text => JobId.Parse(text));
        var reason = ActCommand.Reason();
        var command = new Command("undo", "Take a redrive back: cancel its jobs that have not been started, so that the failed ones can be redriven again") { id, reason };
        command.SetAction(async (parsed, ct) =>
        {
            var platform = await OpenAsync(target, parsed, ct);
            var report = await platform.Services.GetRequiredService<IJobOperator>().UndoRedriveAsync(parsed.GetValue(id), ActCommand.By(parsed.GetValue(reason)), ct);
            await platform.EndAsync();
            target.Output(parsed).Write(ActCommand.AsJson(report, dryRun: false), screen => ActCommand.ShowCounts(screen, report, "taken back", dryRun: false));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<Opened> OpenAsync(Target target, ParseResult parsed, CancellationToken ct)
    {
        var services = target.Open(parsed, broker: true);
        await services.GetRequiredService<Database>().ReadyAsync(ct);
        return new Opened(services, await Broker.AnswersAsync(services.GetRequiredService<BrokerConnection>(),
            "What is done is written in Postgres; a running scheduler sends the tickets once the broker can be.", ct));
    }

    private static double? Rate(string text) => double.TryParse(text.EndsWith("/s", StringComparison.Ordinal) ? text[..^2] : text, System.Globalization.CultureInfo.InvariantCulture, out var rate)
        && rate is >= 0.01 and <= 100_000 ? rate : throw new FormatException($"The rate {text} is not allowed; use 0.01 to 100000 jobs a second.");

    private sealed record Opened(ServiceProvider Services, bool BrokerAnswers)
    {
        public DateTimeOffset Now => TimeProvider.System.GetUtcNow();

        /// <summary>Sends the tickets; with the broker away it would wait for it in vain.</summary>
        public ValueTask EndAsync() => BrokerAnswers ? Services.DisposeAsync() : ValueTask.CompletedTask;
    }
}
