using System.CommandLine;
using Jobs.Producer;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs workers slots QUEUE N`: how many jobs of a queue, or of a pool, run at once in each worker, or in one; `--clear` forgets it. Without a queue: all that is stored.</summary>
internal static class SlotsCommand
{
    public static Command Create(Target target)
    {
        var name = Values.Argument<string?>("QUEUE", "the queue, or with --pool the pool; left out: all that is stored is shown", text => new QueueName(text).Value);
        var slots = Values.Argument<int?>("N", "0 to 10,000; with 0 nothing of it is started there", text => Values.WholeNumber(text));
        name.Arity = slots.Arity = ArgumentArity.ZeroOrOne;
        var worker = new Option<string?>("--worker") { HelpName = "ID|NAME", Description = "only this one: a session, MACHINE/APP or MACHINE, as `jobs workers` shows them [default: all, also those that start later]" };
        var pool = new Option<bool>("--pool") { Description = "QUEUE is the name of a pool that several queues share" };
        var clear = new Option<bool>("--clear") { Description = "forget what is stored under this name and --worker" };
        var who = new Who();
        var command = new Command("slots", "Change how many jobs of a queue run at once in workers, while they run; it holds over their configuration until it is cleared") { name, slots, worker, pool, clear };
        who.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            var (what, number, forget, isPool) = (parsed.GetValue(name), parsed.GetValue(slots), parsed.GetValue(clear), parsed.GetValue(pool));
            if (what is null ? forget || isPool || parsed.GetValue(worker) is not null : forget == number is not null)
            {
                throw new UsageException(what is null ? "There is no queue to change; write: jobs workers slots QUEUE N, or jobs workers slots QUEUE --clear."
                    : forget ? $"Both {number} and --clear were given for {what}; give one of them." : $"How many slots is {what} to have? Write: jobs workers slots {what} N, or --clear.");
            }

            await using var platform = target.Open(parsed);
            var operators = platform.GetRequiredService<IJobOperator>();
            var output = target.Output(parsed);
            if (what is null)
            {
                var stored = await operators.StoredSlotsAsync(ct);
                output.Write(stored.Select(AsJson), screen => Show(screen, stored));
                return ExitCode.Done;
            }

            var sessions = await operators.SessionsAsync(ct);
            var whose = parsed.GetValue(worker) is { } text ? Find(sessions, text) : null;
            var label = (isPool ? $"pool {what}" : what) + (whose is null ? "" : $" in {Plain.Line(whose)}");
            if (forget)
            {
                var cleared = isPool ? await operators.ClearPoolSlotsAsync(what, whose, ct) : await operators.ClearSlotsAsync(what, whose, ct);
                output.Write(new { name = what, pool = isPool, worker = whose, cleared }, screen => screen.WriteLine(
                    cleared ? $"{label}: cleared; the configuration counts, or a setting that is less particular" : $"{label}: nothing was stored"));
                return ExitCode.Done;
            }

            await (isPool ? operators.SetPoolSlotsAsync(what, number!.Value, whose, who.Act(parsed), ct) : operators.SetSlotsAsync(what, number!.Value, whose, who.Act(parsed), ct));
            var workers = sessions.Count(s => Names(s, whose) && (isPool ? s.Pools.Any(p => p.Name == what) : s.Queues.ContainsKey(what)));
            output.Write(new { name = what, pool = isPool, worker = whose, slots = number, workers }, screen => screen.WriteLine(
                $"{label}: {Phrase.Count(number.Value, "slot")} in each worker" + (workers == 0 ? ", once one runs: none that it is for runs now" : $", {workers} now")));
            return ExitCode.Done;
        });
        return command;
    }

    private static object AsJson(StoredSlots stored) => new { name = stored.Target, pool = stored.IsPool, worker = stored.Worker, slots = stored.Slots, set = stored.Set };

    private static void Show(IAnsiConsole screen, IReadOnlyList<StoredSlots> stored)
    {
        if (stored.Count == 0)
        {
            screen.WriteLine("No slots are stored: every worker has those of its configuration.");
            return;
        }

        var sheet = new Sheet().Add("queue or pool").Add("worker").Add("slots", right: true).Add("since").Add("by").Add("reason", weight: 1);
        foreach (var each in stored)
        {
            sheet.Row(each.IsPool ? $"pool {each.Target}" : each.Target, Plain.Line(each.Worker ?? "all"), each.Slots.ToString(), Plain.Time(each.Set.At), Plain.Line(each.Set.By ?? "-"), Plain.Line(each.Set.Reason ?? "-"));
        }

        sheet.WriteTo(screen);
    }

    /// <summary>A session by the end of its id, or else a name as it is.</summary>
    private static string Find(IReadOnlyList<SessionInfo> sessions, string text)
    {
        var end = text.Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();
        var found = end.Length < DrainCommand.ShortLength || !end.All(char.IsAsciiHexDigit) ? [] : sessions.Where(s => s.Id.ToString("N").EndsWith(end, StringComparison.Ordinal)).ToList();
        return found.Count switch
        {
            0 => text,
            1 => found[0].Id.ToString(),
            _ => throw new JobsException($"Several sessions end in {text}; give the whole id of one: {string.Join(", ", found.Select(s => s.Id))}."),
        };
    }

    private static bool Names(SessionInfo session, string? worker) =>
        worker is null || session.Id.ToString() == worker || session.Host == worker || session.Host.StartsWith(worker + "/", StringComparison.Ordinal);
}
