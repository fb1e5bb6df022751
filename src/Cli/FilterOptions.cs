using System.CommandLine;
using System.CommandLine.Parsing;
using Jobs.Cli.Commands;
using Jobs.Postgres;

namespace Jobs.Cli;

/// <summary>Which jobs a command means: the options that make a <see cref="JobFilter"/>, the same for every command that has them.</summary>
internal sealed class FilterOptions
{
    private readonly Option<QueueName?> _queue = Values.Option<QueueName?>("--queue", "NAME", "only of this queue", text => new QueueName(text));
    private readonly Option<JobState?> _state = Values.Option<JobState?>("--state", "STATE", "only in this state: " + string.Join(", ", Enum.GetValues<JobState>().Select(Words.Of)),
        text => Values.State(text));
    private readonly Option<string?> _type = Values.Option<string?>("--type", "TYPE", "only of this type", text => NameRule.Check(text, "job type"));
    private readonly Option<string[]> _tags = new("--tag") { HelpName = "TAG", Description = "only with this tag; may be given several times" };
    private readonly Option<JobId?> _batch = Values.Option<JobId?>("--batch", "ID", "only of this batch", text => JobId.Parse(text));
    private readonly Option<string?> _error = new("--error") { HelpName = "TEXT", Description = "only with this text in the type or message of the newest error" };
    private readonly Option<string[]> _where = new("--where") { HelpName = "FIELD=VALUE", Description = "only with this field in the arguments, a.b for one inside another; may be given several times" };
    private readonly Option<DateTimeOffset?> _enqueuedFrom = Time("--enqueued-from", "only enqueued at this time or later: ISO 8601, or how long ago, as 2h");
    private readonly Option<DateTimeOffset?> _enqueuedTo = Time("--enqueued-to", "only enqueued before this time");
    private readonly Option<DateTimeOffset?> _endedFrom = Time("--ended-from", "only ended at this time or later");
    private readonly Option<DateTimeOffset?> _endedTo = Time("--ended-to", "only ended before this time");

    public FilterOptions() => _where.Validators.Add(Check);

    /// <param name="command">Gets the options.</param>
    /// <param name="state">Whether it has a use for states.</param>
    public void AddTo(Command command, bool state = true)
    {
        foreach (var option in new Option[] { _queue, _state, _type, _tags, _batch, _error, _where, _enqueuedFrom, _enqueuedTo, _endedFrom, _endedTo })
        {
            if (state || option != _state)
            {
                command.Options.Add(option);
            }
        }
    }

    public JobFilter Of(ParseResult parsed, IReadOnlyList<JobId> ids) => new()
    {
        Ids = ids,
        Queue = parsed.GetValue(_queue),
        State = parsed.GetResult(_state) is null ? null : parsed.GetValue(_state),
        Type = parsed.GetValue(_type),
        Tags = parsed.GetValue(_tags) ?? [],
        Batch = parsed.GetValue(_batch),
        Error = parsed.GetValue(_error),
        Where = Pairs(parsed.GetValue(_where) ?? []),
        EnqueuedFrom = parsed.GetValue(_enqueuedFrom),
        EnqueuedTo = parsed.GetValue(_enqueuedTo),
        EndedFrom = parsed.GetValue(_endedFrom),
        EndedTo = parsed.GetValue(_endedTo),
    };

    /// <summary>It means every job there is.</summary>
    public static bool IsEmpty(JobFilter filter) =>
        filter is { Ids.Count: 0, Queue: null, State: null, Type: null, Tags.Count: 0, Batch: null, Error: null, Where.Count: 0, EnqueuedFrom: null, EnqueuedTo: null, EndedFrom: null, EndedTo: null };

    private static Dictionary<string, string> Pairs(string[] texts)
    {
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            var at = text.IndexOf('=', StringComparison.Ordinal);
            pairs[text[..at]] = text[(at + 1)..];
        }

        return pairs;
    }

    private static void Check(OptionResult result)
    {
        foreach (var text in result.Tokens.Select(t => t.Value))
        {
            if (text.IndexOf('=', StringComparison.Ordinal) < 1)
            {
                result.AddError($"\"{text}\" is not FIELD=VALUE; it looks like --where to=a@example.org.");
            }
        }
    }

    private static Option<DateTimeOffset?> Time(string name, string description) => Values.Option<DateTimeOffset?>(name, "TIME", description, text =>
        text.Length > 4 && text[4] == '-' ? Plain.ParseTime(text) : Ago(text));

    private static DateTimeOffset Ago(string text)
    {
        try
        {
            return TimeProvider.System.GetUtcNow() - Plain.ParseDuration(text);
        }
        catch (FormatException e)
        {
            throw new FormatException($"The time \"{text}\" is not allowed; use ISO 8601, for example 2030-01-31T08:00:00Z, or how long ago, for example 90s, 5m, 2h or 7d.", e);
        }
    }
}
