using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs queues fair QUEUE`: whose turn it is in a queue.</summary>
internal static class FairCommand
{
    public static Command Create(Target target)
    {
        var queue = Values.Argument<QueueName>("QUEUE", "the queue", text => new QueueName(text));
        var key = new Option<string?>("--key") { HelpName = "PATH", Description = "its jobs are started in turn of this field of their arguments: tenantId, customer.id" };
        var off = new Option<bool>("--off") { Description = "no more; what waits is still served in turn" };
        var weights = Values.Options("--weight", "VALUE=N", "so many jobs of this value are started in its turn, 1 to 1000", Weight);
        var command = new Command("fair", "Have the jobs of a queue started in turn of a key, so that nobody who floods it delays the others; or end that") { queue, key, off, weights };
        command.SetAction(async (parsed, ct) =>
        {
            var (path, end, given) = (parsed.GetValue(key), parsed.GetValue(off), parsed.GetValue(weights) ?? []);
            if (path is null && !end && given.Length == 0)
            {
                throw new UsageException("Nothing to set; give --key PATH, --weight VALUE=N, or --off.");
            }

            if (end && (path is not null || given.Length > 0))
            {
                throw new UsageException("--off ends it, and --key and --weight set it; give one or the other.");
            }

            await using var platform = target.Open(parsed);
            var name = parsed.GetValue(queue);
            var jobs = platform.GetRequiredService<IJobOperator>();
            if (path is not null || end)
            {
                await jobs.SetFairnessAsync(name, path, ct);
            }

            foreach (var (value, weight) in given)
            {
                await jobs.SetFairWeightAsync(name, value, weight, ct);
            }

            target.Output(parsed).Write(new { queue = name.Value, key = path, off = end, weights = given.ToDictionary(w => w.Value, w => w.Weight) }, screen =>
            {
                if (path is not null || end)
                {
                    screen.WriteLine(end ? $"{name} is fair no more: new jobs are started in the order in which they are queued" : $"{name} is fair by {path}");
                }

                foreach (var (value, weight) in given)
                {
                    screen.WriteLine($"{name}: {Plain.Line(value)} is started {weight} at a time");
                }
            });
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>VALUE=N; the value may hold an equals sign.</summary>
    private static (string Value, int Weight) Weight(string text) =>
        text.LastIndexOf('=') is >= 0 and var at && int.TryParse(text[(at + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var weight) ? (text[..at], weight)
            : throw new FormatException($"\"{text}\" is not VALUE=N; write for example acme=3.");
}
