using System.CommandLine;
using Jobs.Postgres;
using Jobs.Producer;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs transactions`: what spans several services. It reads rows and writes orders; a worker tells the coordinators of them.</summary>
internal static class TransactionsCommand
{
    private const int DefaultLimit = 20;

    private static readonly string[] States = ["running", "committing", "aborting", "committed", "aborted", "parked"];
    private static readonly string[] Modes = ["twoPhase", "saga"];

    public static Command Create(Target target) => new("transactions", "Transactions that span services: list, get, abort, and decide what is parked")
    {
        List(target),
        Get(target),
        Abort(target),
        Retry(target),
        Resolve(target),
    };

    private static Argument<Guid> Id() => Values.Argument("ID", "the transaction's id", Guid.Parse);

    private static Command List(Target target)
    {
        var state = Values.Option<string?>("--state", "STATE", $"only in this state: {string.Join(", ", States)}", text => Word(text, States, "state"));
        var live = new Option<bool>("--live") { Description = "only those that have not ended" };
        var name = new Option<string?>("--name") { HelpName = "NAME", Description = "only of this name" };
        var kind = new Option<string?>("--kind") { HelpName = "KIND", Description = "only with a branch of this kind" };
        var mode = Values.Option<string?>("--mode", "MODE", "only twoPhase, or only saga", text => Word(text, Modes, "mode"));
        var older = Values.Option<TimeSpan?>("--older", "DURATION", "only begun at least so long ago, as 90s, 5m, 2h, 1d", text => Plain.ParseDuration(text));
        var inDoubt = Values.Option<TimeSpan?>("--in-doubt", "DURATION", "only two-phase ones with a branch that has been prepared for so long while nothing is decided", text => Plain.ParseDuration(text));
        var limit = Values.Option<int?>("--limit", "N", $"transactions a page, 1 to 1000 [default: {DefaultLimit}]", Limit);
        var below = Values.Option<Guid?>("--below", "ID", "the next page: those older than this one", text => Guid.Parse(text));
        var command = new Command("list", "List transactions, newest first; those in doubt, parked or overdue stand out") { state, live, name, kind, mode, older, inDoubt, limit, below };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, broker: false, ct, async (desk, _) =>
        {
            var size = parsed.GetValue(limit) ?? DefaultLimit;
            var filter = new TransactionFilter(parsed.GetValue(state), parsed.GetValue(name), parsed.GetValue(mode), parsed.GetValue(older), parsed.GetValue(inDoubt), parsed.GetValue(kind),
                parsed.GetValue(live) || parsed.GetValue(inDoubt) is not null || parsed.GetValue(state) is "running" or "committing" or "aborting" or "parked");
            var found = await desk.ListAsync(filter, size + 1, parsed.GetValue(below), ct);
            var page = found.Take(size).ToList();
            target.Output(parsed).Write(page.Select(TransactionView.AsJson), screen =>
            {
                if (page.Count == 0)
                {
                    screen.WriteLine(command.Options.Any(o => parsed.GetResult(o) is { Implicit: false }) ? "No such transactions." : $"Schema \"{target.Schema(parsed)}\" has no transactions.");
                    return;
                }

                TransactionView.Show(screen, page);
            });
            if (found.Count > size)
            {
                var again = string.Concat(command.Options.Where(o => o != below && parsed.GetResult(o) is { Implicit: false }).Select(o => $" {o.Name}{string.Concat(parsed.GetResult(o)!.Tokens.Select(t => $" {t.Value}"))}"));
                Output.Remark($"next page: jobs transactions list{again} --below {page[^1].Id}{target.SchemaArgument(parsed)}");
            }

            return ExitCode.Done;
        }));
        return command;
    }

    private static Command Get(Target target)
    {
        var id = Id();
        var command = new Command("get", "Show one transaction: its branches with their jobs and votes, who is awaited, and its story") { id };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, broker: false, ct, async (desk, platform) =>
        {
            var seen = await FindAsync(target, parsed, desk, parsed.GetValue(id), ct);
            var orders = await desk.OrdersAsync(parsed.GetValue(id), ct);
            var jobs = await platform.GetRequiredService<StoryStore>().FindStatesAsync([.. seen.Branches.Where(b => b.Job is not null).Select(b => new JobId(b.Job!.Value)).Distinct()], ct);
            var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
            var view = new TransactionView(parsed.GetValue(id), seen, orders, jobs.ToDictionary(j => j.Key.Value, j => j.Value.State), now);
            target.Output(parsed).Write(view.AsJson(), view.Show);
            return ExitCode.Done;
        }));
        return command;
    }

    private static Command Abort(Target target)
    {
        var (id, who, dryRun) = (Id(), new Who(), DryRun());
        var command = new Command("abort", "Abort a transaction that is undecided, parked or not: nothing of it is left in the end") { id, dryRun };
        who.AddTo(command);
        command.SetAction((parsed, ct) => WithAsync(target, parsed, broker: !parsed.GetValue(dryRun), ct, async (desk, _) =>
        {
            var (transaction, dry, doer) = (parsed.GetValue(id), parsed.GetValue(dryRun), Doer(who, parsed));
            var before = await FindAsync(target, parsed, desk, transaction, ct);
            var text = doer.Reason is { } reason ? $"{reason} (aborted by {doer.By})" : $"It was aborted by {doer.By}.";
            var aborts = dry ? before.Decision != "commit" : await desk.AbortAsync(transaction, text, doer, ct);
            var already = before.Decision is not null;
            target.Output(parsed).Write(new { dryRun = dry, id = transaction, aborted = aborts, already }, screen => screen.WriteLine(
                !aborts ? $"{transaction} is not aborted: it was decided before that it commits"
                : already ? $"{transaction} was decided to abort before{(before.EndedAt is null ? ", and is being aborted" : "")}"
                : dry ? $"{transaction} would be aborted"
                : $"{transaction} is aborted: its branches are told within moments; see: jobs transactions get {transaction}{target.SchemaArgument(parsed)}"));
            return aborts ? ExitCode.Done : ExitCode.Failed;
        }));
        return command;
    }

    private static Command Retry(Target target)
    {
        var (id, who, dryRun) = (Id(), new Who(), DryRun());
        var branch = Branch("its number; left out: all that are parked", ArgumentArity.ZeroOrOne);
        var command = new Command("retry-branch", "Have parked branches of a transaction tried again") { id, branch, dryRun };
        who.AddTo(command);
        command.SetAction((parsed, ct) => WithAsync(target, parsed, broker: !parsed.GetValue(dryRun), ct, async (desk, _) =>
        {
            var (transaction, dry, number) = (parsed.GetValue(id), parsed.GetValue(dryRun), parsed.GetValue(branch));
            var before = await FindAsync(target, parsed, desk, transaction, ct);
            IReadOnlyList<int> meant = [.. before.Branches.Where(b => b.State == "parked" && (number is null || b.Number == number)).Select(b => b.Number)];
            var retried = dry ? meant : await desk.RetryAsync(transaction, number, Doer(who, parsed), ct);
            if (retried.Count == 0)
            {
                TransactionDesk.CheckParked(transaction, before.Branches.Select(b => (b.Number, b.State)), number ?? before.Branches[0].Number);
            }

            target.Output(parsed).Write(new { dryRun = dry, id = transaction, branches = retried }, screen => screen.WriteLine(
                $"{TransactionView.Branches(retried)} of {transaction} {(dry ? "would be tried again" : retried.Count == 1 ? "is tried again" : "are tried again")}"));
            return ExitCode.Done;
        }));
        return command;
    }

    private static Command Resolve(Target target)
    {
        var (id, who, dryRun) = (Id(), new Who(), DryRun());
        var branch = Branch("its number", ArgumentArity.ExactlyOne);
        var command = new Command("resolve", "Declare a parked branch to be done by hand: undone if its transaction is being aborted, else run. The transaction goes on without it. Needs --reason") { id, branch, dryRun };
        who.AddTo(command);
        command.SetAction((parsed, ct) => WithAsync(target, parsed, broker: !parsed.GetValue(dryRun), ct, async (desk, _) =>
        {
            var (transaction, dry, number, doer) = (parsed.GetValue(id), parsed.GetValue(dryRun), parsed.GetValue(branch)!.Value, Doer(who, parsed));
            if (doer.Reason is null)
            {
                throw new UsageException("What was done by hand? Give --reason \"...\": nobody can find it out later.");
            }

            var before = await FindAsync(target, parsed, desk, transaction, ct);
            TransactionDesk.CheckParked(transaction, before.Branches.Select(b => (b.Number, b.State)), number);
            if (!dry && !await desk.SettleAsync(transaction, number, doer, ct))
            {
                throw new JobsException($"Branch {number} of transaction {transaction} is no longer parked: somebody else has decided.");
            }

            var undone = before.Decision == "abort";
            target.Output(parsed).Write(new { dryRun = dry, id = transaction, branch = number, countsAs = undone ? "undone" : "run" }, screen => screen.WriteLine(
                $"branch {number} of {transaction} {(dry ? "would count" : "counts")} as {(undone ? "undone" : "run")}"));
            return ExitCode.Done;
        }));
        return command;
    }

    private static Argument<int?> Branch(string description, ArgumentArity arity)
    {
        var branch = Values.Argument<int?>("BRANCH", description, text => Values.WholeNumber(text));
        branch.Arity = arity;
        return branch;
    }

    private static Option<bool> DryRun() => new("--dry-run") { Description = "change nothing, say what would be done" };

    /// <exception cref="UsageException">One of its words is too long or empty.</exception>
    private static Doer Doer(Who who, ParseResult parsed)
    {
        var act = who.Act(parsed);
        if (act.Reason is { } reason)
        {
            TransactionDesk.CheckReason(reason);
        }

        return string.IsNullOrWhiteSpace(act.By) || act.By.Length > Who.MaxName ? throw new UsageException($"The name of who does it has {act.By?.Trim().Length ?? 0} characters; use 1 to {Who.MaxName}.")
            : new Doer(act.By, act.Reason);
    }

    private static async Task<SeenTransaction> FindAsync(Target target, ParseResult parsed, TransactionDesk desk, Guid id, CancellationToken ct) => await desk.FindAsync(id, ct)
        ?? throw new JobsException($"There is no transaction {id} in schema \"{target.Schema(parsed)}\": it never was, or it ended longer ago than 90 days. `jobs transactions list` shows those there are.");

    private static int? Limit(string text) => Values.WholeNumber(text) is >= 1 and <= 1000 and var limit ? limit
        : throw new FormatException($"The limit {text} is not allowed; use 1 to 1000, and --below for the next page.");

    private static string Word(string text, string[] words, string what) => Array.Find(words, w => w.Equals(text, StringComparison.OrdinalIgnoreCase))
        ?? throw new FormatException($"The {what} \"{text}\" does not exist; use one of {string.Join(", ", words)}.");

    private static async Task<int> WithAsync(Target target, ParseResult parsed, bool broker, CancellationToken ct, Func<TransactionDesk, ServiceProvider, Task<int>> act)
    {
        var platform = target.Open(parsed, broker);
        await platform.GetRequiredService<Database>().ReadyAsync(ct);
        var answers = broker && await Broker.AnswersAsync(platform.GetRequiredService<RabbitMq.BrokerConnection>(),
            "What is decided is written in Postgres; a running scheduler sends the tickets once the broker can be reached.", ct);
        var code = await act(platform.GetRequiredService<TransactionDesk>(), platform);
        if (answers || !broker)
        {
            await platform.DisposeAsync(); // sends the tickets; with the broker away it would wait for it in vain
        }

        return code;
    }
}
