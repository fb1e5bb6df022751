using System.CommandLine;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>What the commands that change jobs have in common: ids or a filter, a reason, a dry run, and how their answer looks.</summary>
internal sealed class ActCommand
{
    /// <summary>What a command does; a dry run changes nothing.</summary>
    public delegate Task<ActReport> Doing(IJobOperator jobs, ParseResult parsed, JobFilter filter, Act act, bool dryRun, IProgress<long> progress, CancellationToken ct);

    private const int MaxIds = 1000;
    private const int MaxName = 200;

    private readonly Argument<JobId[]> _ids = new("ID")
    {
        Arity = ArgumentArity.ZeroOrMore,
        Description = "the jobs' ids; none: those that the options name",
        CustomParser = result => [.. result.Tokens.Select(t => Id(result, t.Value))],
    };

    private readonly FilterOptions _filter = new(TimeProvider.System);
    private readonly Option<string?> _reason = Reason();
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "change nothing, say what would be done" };
    private readonly Option<bool> _yes = new("--yes") { Description = "all jobs there are, when no option says which" };

    public static Option<string?> Reason() => new("--reason") { HelpName = "TEXT", Description = "why; kept with the jobs" };

    /// <summary>Who sits at this terminal.</summary>
    public static Act By(string? reason)
    {
        var name = $"{Environment.UserName}@{Environment.MachineName}";
        return new Act { By = name.Length <= MaxName ? name : name[..MaxName], Reason = reason };
    }

    /// <param name="command">Gets the ids, the filter and the other options, after its own.</param>
    /// <param name="target">Of the installation.</param>
    /// <param name="done">The word for what was done, as in "3 cancelled".</param>
    /// <param name="doing">Does it.</param>
    public static Command Build(Command command, Target target, string done, Doing doing)
    {
        var act = new ActCommand();
        command.Arguments.Add(act._ids);
        act._filter.AddTo(command);
        foreach (var option in new Option[] { act._reason, act._dryRun, act._yes })
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, ct) => act.RunAsync(target, parsed, done, doing, ct));
        return command;
    }

    private async Task<int> RunAsync(Target target, ParseResult parsed, string done, Doing doing, CancellationToken ct)
    {
        var filter = _filter.Read(parsed);
        filter = filter with { Ids = [.. filter.Ids.Concat(parsed.GetValue(_ids) ?? []).Distinct()] };
        var (dryRun, name) = (parsed.GetValue(_dryRun), parsed.CommandResult.Command.Name);
        if (filter.Ids.Count > MaxIds)
        {
            throw new UsageException($"{filter.Ids.Count} ids are given; at most {MaxIds} are allowed in one call. Give the rest in another, or use a filter.");
        }

        if (FilterOptions.IsEmpty(filter) && !dryRun && !parsed.GetValue(_yes))
        {
            throw new UsageException($"No job is named: give ids, or options that say which jobs, for example jobs {name} --queue mail --dry-run. --yes means all jobs there are.");
        }

        var platform = target.Open(parsed, broker: true);
        await platform.GetRequiredService<Database>().ReadyAsync(ct);
        var answers = dryRun || await Broker.AnswersAsync(platform.GetRequiredService<BrokerConnection>(),
            "What is done is written in Postgres; a running scheduler sends the tickets once the broker can be.", ct);
        var ticker = new Ticker("jobs looked at", platform.GetRequiredService<TimeProvider>());
        var report = await doing(platform.GetRequiredService<IJobOperator>(), parsed, filter, By(parsed.GetValue(_reason)), dryRun, ticker, ct);
        ticker.End();
        if (answers)
        {
            await platform.DisposeAsync(); // sends the tickets; with the broker away it would wait for it in vain
        }

        target.Output(parsed).Write(AsJson(report, dryRun), screen => Show(screen, report, done, dryRun));
        return report.Jobs.Any(j => j.Outcome is not (ActOutcome.Done or ActOutcome.Requested or ActOutcome.Unchanged)) ? ExitCode.Failed : ExitCode.Done;
    }

    public static object AsJson(ActReport report, bool dryRun) => new
    {
        dryRun,
        done = report.Done,
        left = report.Left,
        counts = report.Counts.OrderBy(c => c.Key).ToDictionary(c => Word(c.Key), c => c.Value),
        jobs = report.Jobs.Select(j => new { id = j.Id.Value, outcome = Word(j.Outcome), message = j.Message, newLife = j.NewLife?.Value }),
    };

    private static void Show(IAnsiConsole screen, ActReport report, string done, bool dryRun)
    {
        if (report.Jobs.Count == 0)
        {
            ShowCounts(screen, report, done, dryRun);
            return;
        }

        var sheet = new Sheet().Add("id").Add("");
        foreach (var job in report.Jobs)
        {
            sheet.Row(job.Id.ToString(), new Cell(job.Message, job.Outcome switch
            {
                ActOutcome.Done => Styles.Good,
                ActOutcome.Requested => Styles.Busy,
                ActOutcome.Unchanged => Styles.Faint,
                _ => Styles.Bad,
            }));
        }

        sheet.WriteTo(screen);
    }

    /// <summary>One line: "1,203 cancelled, 12 asked to stop; left: 3 running".</summary>
    public static void ShowCounts(IAnsiConsole screen, ActReport report, string done, bool dryRun)
    {
        long Of(ActOutcome outcome) => report.Counts.GetValueOrDefault(outcome);
        var would = dryRun ? "would be " : "";
        var line = $"{Of(ActOutcome.Done):N0} {would}{done}" + (Of(ActOutcome.Requested) > 0 ? $", {Of(ActOutcome.Requested):N0} {would}asked to stop" : "");
        var left = report.Counts.Where(c => c.Key is not (ActOutcome.Done or ActOutcome.Requested)).OrderBy(c => c.Key)
            .Select(c => $"{c.Value:N0} {c.Key switch
            {
                ActOutcome.Unchanged => "so already",
                ActOutcome.Needed => "needed by others",
                ActOutcome.NotMatched => "changed meanwhile",
                ActOutcome.NotFound => "gone",
                _ => Word(c.Key),
            }}").ToList();
        screen.Write(new Text(line, report.Done > 0 ? Styles.Good : Styles.Faint));
        screen.Write(new Text(left.Count > 0 ? $"; left as they are: {string.Join(", ", left)}" : "", Styles.Faint));
        screen.WriteLine();
    }

    private static string Word(ActOutcome outcome) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(outcome.ToString());

    private static JobId Id(System.CommandLine.Parsing.ArgumentResult result, string text)
    {
        if (JobId.TryParse(text, null, out var id))
        {
            return id;
        }

        result.AddError($"\"{text}\" is not a job id; a job id looks like {Guid.Empty:D}.");
        return default;
    }
}
