using System.CommandLine;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs enqueue TYPE JSON`: one job, by the name of its type.</summary>
internal static class EnqueueCommand
{
    public static Command Create(Target target)
    {
        var type = new Argument<string>("TYPE") { Description = "the job type, for example mail.welcome" };
        var json = new Argument<string>("JSON") { Description = "its arguments, for example '{\"to\":\"a@example.org\"}'; - reads them from stdin" };
        var queue = Values.Option<QueueName?>("--queue", "NAME", "the queue; the command line does not know the one its record names [default: default]", text => new QueueName(text));
        var priority = Values.Option<JobPriority?>("--priority", "0-31", "higher first [default: 16]", text => new JobPriority(Values.WholeNumber(text)));
        var delay = Values.Option<TimeSpan?>("--delay", "SECONDS", "start this much later; also 500ms, 5m, 2h, 1d", text => Plain.ParseDuration(text));
        var runAt = Values.Option<DateTimeOffset?>("--run-at", "TIME", "start at this time, ISO 8601; without an offset it is UTC", text => Plain.ParseTime(text));
        var id = Values.Option<JobId?>("--id", "UUID", "an id of version 7, to repeat an enqueue whose outcome is unknown", Id);
        var uniqueKey = Values.Option<Unique?>("--unique-key", "KEY", "one job of the type at a time has this key; if it is taken, the id of the job that has it is the answer", text => new Unique { Key = text });
        var expires = Values.Option<TimeSpan?>("--expires", "DURATION", "not worth starting later than this", text => Plain.ParseDuration(text));
        var timeout = Values.Option<TimeSpan?>("--timeout", "DURATION", "how long an attempt may take", text => Plain.ParseDuration(text));
        var after = Values.Option<JobId?>("--after", "UUID", "start when this job has succeeded", text => JobId.Parse(text));
        var batch = Values.Option<JobId?>("--batch", "UUID", "the batch it belongs to", text => JobId.Parse(text));
        var tag = Values.Options<string>("--tag", "TAG", "a word to find it by", text => text);
        var meta = Values.Options<KeyValuePair<string, string>>("--meta", "NAME=VALUE", "carried along to the handler", Values.Pair);
        var command = new Command("enqueue", "Enqueue one job; its id is the answer") { type, json, queue, priority, delay, runAt, id, uniqueKey, expires, timeout, after, batch, tag, meta };
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(type)!, parsed.GetValue(json)!, new EnqueueOptions
        {
            Id = parsed.GetValue(id),
            Queue = parsed.GetValue(queue),
            Priority = parsed.GetValue(priority) ?? JobPriority.Normal,
            Delay = parsed.GetValue(delay),
            RunAt = parsed.GetValue(runAt),
            Unique = parsed.GetValue(uniqueKey),
            Expires = parsed.GetValue(expires),
            Timeout = parsed.GetValue(timeout),
            After = parsed.GetValue(after) is { } parent ? [parent] : [],
            Batch = parsed.GetValue(batch),
            Tags = parsed.GetValue(tag) ?? [],
            Metadata = Values.Pairs("--meta", parsed.GetValue(meta)),
        }, ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, string type, string json, EnqueueOptions options, CancellationToken ct)
    {
        if (options is { Delay: not null, RunAt: not null })
        {
            throw new UsageException("--delay and --run-at are both given; give one of them.");
        }

        if (json == "-")
        {
            json = await Console.In.ReadToEndAsync(ct);
        }

        var platform = target.Open(parsed, broker: true);

        // A database that is away is found before anything can have been written, so the answer is a plain "no".
        await platform.GetRequiredService<Database>().ReadyAsync(ct);
        var answers = await Broker.AnswersAsync(platform.GetRequiredService<BrokerConnection>(),
            "The job is safe in Postgres; a running scheduler dispatches it once the broker can be.", ct);
        var id = await platform.GetRequiredService<IJobClient>().EnqueueJsonAsync(type, json, options, ct);
        if (answers)
        {
            await platform.DisposeAsync(); // sends the ticket; with the broker away it would wait for it in vain
        }

        var queue = (options.Queue ?? QueueName.Default).Value;
        target.Output(parsed).Write(
            new { id = id.Value, type, queue, priority = (int)options.Priority.Value, delaySeconds = options.Delay?.TotalSeconds, runAt = options.RunAt },
            screen =>
            {
                screen.WriteLine(id.ToString());
                if (!Console.IsErrorRedirected)
                {
                    var when = options.Delay is { } d ? $", starts in {Plain.Duration(d)}" : options.RunAt is { } t ? $", starts at {Plain.Time(t)}" : "";
                    Output.Remark($"{type} in queue {queue}, priority {options.Priority}{when}. See it: jobs get {id}{target.SchemaArgument(parsed)}");
                }
            });
        return ExitCode.Done;
    }

    private static JobId? Id(string text) => JobId.Parse(text) is { Value.Version: 7 } id ? id
        : throw new FormatException($"The id {text} is not a UUID of version 7; use one that an enqueue has printed or named.");
}
