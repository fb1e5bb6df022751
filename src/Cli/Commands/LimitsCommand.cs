using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs limits`: how many jobs run at once, or start in a time. It writes and reads rows; claims keep to them.</summary>
internal static class LimitsCommand
{
    private const int DefaultMost = 10;

    public static Command Create(Target target) => new("limits", "How many jobs run at once or start in a time, in the whole installation: list, show, set, remove, end a pause")
    {
        List(target),
        Show(target),
        Set(target),
        Remove(target),
        Resume(target),
    };

    private static Argument<string> Name() => Values.Argument("NAME", "the limit", text => NameRule.Check(text, "limit's name"));

    private static Option<string?> Key() => new("--key") { HelpName = "VALUE", Description = "only for this value of its key, for example 42" };

    private static Command List(Target target)
    {
        var command = new Command("list", "Show every limit: whom it concerns, its numbers, what it holds and holds back, who set it");
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (limits, platform) =>
        {
            var all = await limits.ListAsync(ct);
            var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
            target.Output(parsed).Write(all.Select(l => LimitView.AsJson(l, withGates: false)), screen =>
            {
                if (all.Count == 0)
                {
                    screen.WriteLine($"Schema \"{target.Schema(parsed)}\" has no limits; set one: jobs limits set mail --queue mail --slots 10");
                    return;
                }

                LimitView.Show(screen, all, now);
            });
        }));
        return command;
    }

    private static Command Show(Target target)
    {
        var (name, key) = (Name(), Key());
        var most = Values.Option<int?>("--most", "N", $"so many gates, the busiest first, 1 to 1000 [default: {DefaultMost}]", text => Values.WholeNumber(text));
        var command = new Command("show", "Show a limit and its busiest gates: the jobs that hold them, how many wait, tokens, pauses. Example: jobs limits show customers --key 42") { name, key, most };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (limits, platform) =>
        {
            var limit = await limits.GetAsync(parsed.GetValue(name)!, parsed.GetValue(key), parsed.GetValue(most) ?? DefaultMost, ct) ?? throw await UnknownAsync(limits, parsed.GetValue(name)!, ct);
            var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
            target.Output(parsed).Write(LimitView.AsJson(limit, withGates: true), screen => LimitView.Show(screen, limit, now));
        }));
        return command;
    }

    private static Command Set(Target target)
    {
        var name = Name();
        var queue = Values.Option<QueueName?>("--queue", "NAME", "only jobs of this queue", text => new QueueName(text));
        var type = new Option<string?>("--type") { HelpName = "TYPE", Description = "only jobs of this type" };
        var key = new Option<string?>("--key") { HelpName = "PATH", Description = "each value there in the arguments for itself, for example customer.id" };
        var slots = Values.Option<Setting<int>?>("--slots", "N", "so many at once, 0 to 1000000; none: any number", text => Setting<int>.Parse(text, Values.WholeNumber));
        var rate = Values.Option<Setting<double>?>("--rate", "N", "so many tokens in the time that --per says; none: any number", text => Setting<double>.Parse(text, LimitView.Number));
        var per = Values.Option<TimeSpan?>("--per", "DURATION", "as 500ms, 1s, 5m, 1h, 1d [default: 1s]", text => Plain.ParseDuration(text));
        var algorithm = Values.Option<RateAlgorithm?>("--algorithm", "NAME", "token, leaky, fixed, sliding [default: token]", text => LimitView.Algorithm(text));
        var burst = Values.Option<double?>("--burst", "N", "token: so many may start at once after a quiet time [default: what comes in a second, or 1]", text => LimitView.Number(text));
        var cost = new Option<string?>("--cost") { HelpName = "PATH", Description = "where the arguments say how many tokens a job takes [default: each takes one]" };
        var value = new Option<string?>("--for") { HelpName = "VALUE", Description = "numbers for this value of the limit's key only, with --slots, --rate or both" };
        var who = new Who();
        var command = new Command("set", "Set a limit, or change what is named of the one with this name. Examples: jobs limits set mail --queue mail --slots 10; "
            + "jobs limits set api --type crm.sync --key customerId --rate 100 --per 1m; jobs limits set api --for 42 --rate 500") { name, queue, type, key, slots, rate, per, algorithm, burst, cost, value };
        who.AddTo(command);
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (limits, _) =>
        {
            var limit = parsed.GetValue(name)!;
            if (parsed.GetValue(value) is { } only)
            {
                var other = command.Options.Except([slots, rate, value]).FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false });
                if (other is not null)
                {
                    throw new UsageException($"{other.Name} is for the whole limit; with --for give --slots, --rate or both.");
                }

                await limits.SetKeyAsync(limit, only, parsed.GetValue(slots)?.Value, parsed.GetValue(rate)?.Value, ct);
                var gate = (await limits.GetAsync(limit, only, 1, ct))?.Gates.SingleOrDefault();
                target.Output(parsed).Write(new { name = limit, key = only, slots = gate?.OwnSlots, tokens = gate?.OwnTokens }, screen => screen.WriteLine(
                    $"{limit} has numbers of its own for {Plain.Line(only)}; take them away with: jobs limits remove {limit} --key {Plain.Line(only)}{target.SchemaArgument(parsed)}"));
                return;
            }

            var before = (await limits.ListAsync(ct)).SingleOrDefault(l => l.Limit.Name == limit)?.Limit;
            await limits.SetAsync(LimitView.Changed(before ?? new JobLimit(limit), parsed.GetValue(queue)?.Value, parsed.GetValue(type), parsed.GetValue(key), parsed.GetValue(slots), new LimitView.RateChange(
                parsed.GetValue(rate), parsed.GetValue(per), parsed.GetValue(algorithm), parsed.GetValue(burst), parsed.GetValue(cost))), who.Act(parsed), ct);
            var after = (await limits.ListAsync(ct)).Single(l => l.Limit.Name == limit);
            target.Output(parsed).Write(LimitView.AsJson(after, withGates: false), screen => screen.WriteLine($"{limit} is set: {LimitView.Words(after.Limit)}"));
        }, broker: true));
        return command;
    }

    private static Command Remove(Target target)
    {
        var (name, key) = (Name(), Key());
        var command = new Command("remove", "Remove a limit: what it holds back goes on. With --key, only the numbers of its own of that value") { name, key };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (limits, _) =>
        {
            var limit = parsed.GetValue(name)!;
            var before = (await limits.ListAsync(ct)).SingleOrDefault(l => l.Limit.Name == limit);
            if (parsed.GetValue(key) is { } value)
            {
                var cleared = await limits.ClearKeyAsync(limit, value, ct);
                target.Output(parsed).Write(new { name = limit, key = value, removed = cleared }, screen => screen.WriteLine(
                    cleared ? $"the numbers of {limit} hold for {Plain.Line(value)} again" : $"{limit} had none of its own for {Plain.Line(value)}"));
                return;
            }

            if (!await limits.RemoveAsync(limit, ct))
            {
                throw await UnknownAsync(limits, limit, ct);
            }

            target.Output(parsed).Write(new { name = limit, removed = true, origin = LimitView.Word(before?.Origin ?? LimitOrigin.Operator) }, screen => screen.WriteLine($"{limit} is removed"));
            if (before is { Origin: not LimitOrigin.Operator })
            {
                Output.Remark($"{limit} is declared by {before.By}, which sets it again when it starts next; take it out of its {(before.Origin == LimitOrigin.Code ? "code" : "configuration")} as well");
            }
        }, broker: true));
        return command;
    }

    private static Command Resume(Target target)
    {
        var (name, key) = (Name(), Key());
        var command = new Command("resume", "End the pauses that handlers asked for, before their time. Example: jobs limits resume api --key 42") { name, key };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (limits, _) =>
        {
            var limit = parsed.GetValue(name)!;
            var resumed = await limits.ResumeAsync(limit, parsed.GetValue(key), ct);
            target.Output(parsed).Write(new { name = limit, resumed }, screen => screen.WriteLine(resumed switch
            {
                0 => $"{limit} was not paused",
                1 => $"{limit} goes on",
                _ => $"{limit} goes on at {resumed:N0} gates",
            }));
        }, broker: true));
        return command;
    }

    private static async Task<JobsException> UnknownAsync(IJobLimits limits, string name, CancellationToken ct) =>
        new($"There is no limit \"{name}\"{(NearMiss.Of(name, (await limits.ListAsync(ct)).Select(l => l.Limit.Name)) is { } near ? $"; did you mean {near}?" : "; `jobs limits list` shows those there are.")}");

    private static async Task<int> WithAsync(Target target, ParseResult parsed, Func<IJobLimits, ServiceProvider, Task> act, bool broker = false)
    {
        await using var platform = target.Open(parsed, broker);
        await act(platform.GetRequiredService<IJobLimits>(), platform);
        return ExitCode.Done;
    }
}

/// <summary>A number, or none.</summary>
internal sealed record Setting<T>(T? Value)
    where T : struct
{
    public static Setting<T> Parse(string text, Func<string, T> parse) => new(text == "none" ? null : parse(text));
}
