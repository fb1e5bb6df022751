using System.CommandLine;
using System.Globalization;
using Jobs.Postgres;

namespace Jobs.Cli.Commands;

/// <summary>The options that say which jobs are meant.</summary>
internal sealed class FilterOptions(TimeProvider time)
{
    private static readonly string States = string.Join(", ", Enum.GetValues<JobState>().Select(Words.Of));

    private readonly Option<JobId[]> _ids = Values.Options<JobId>("--id", "ID", "only this job", text => JobId.Parse(text));
    private readonly Option<QueueName?> _queue = Values.Option<QueueName?>("--queue", "NAME", "only of this queue", text => new QueueName(text));
    private readonly Option<string?> _type = Values.Option<string?>("--type", "TYPE", "only of this type", text => NameRule.Check(text, "job type"));
    private readonly Option<JobState?> _state = Values.Option<JobState?>("--state", "STATE", "only in this state: " + States, text => Values.State(text));
    private readonly Option<string[]> _tags = Values.Options<string>("--tag", "TAG", "only with this tag", text => text);
    private readonly Option<JobId?> _batch = Values.Option<JobId?>("--batch", "ID", "only of this batch", text => JobId.Parse(text));
    private readonly Option<DateTimeOffset?> _enqueuedFrom = TimeOption("--enqueued-from", "only enqueued at this time or later: ISO 8601, or how long ago, for example 2h", time);
    private readonly Option<DateTimeOffset?> _enqueuedTo = TimeOption("--enqueued-to", "only enqueued before this time", time);
    private readonly Option<DateTimeOffset?> _endedFrom = TimeOption("--ended-from", "only ended at this time or later", time);
    private readonly Option<DateTimeOffset?> _endedTo = TimeOption("--ended-to", "only ended before this time", time);
    private readonly Option<string?> _error = Values.Option<string?>("--error", "TEXT", "only with this text in the type or the message of their newest error", text => text);
    private readonly Option<KeyValuePair<string, string>[]> _where =
        Values.Options("--where", "FIELD=VALUE", "only with this value in this field of their arguments, for example customer.id=42", Values.Pair);

    private IEnumerable<Option> All => [_ids, _queue, _type, _state, _tags, _batch, _enqueuedFrom, _enqueuedTo, _endedFrom, _endedTo, _error, _where];

    /// <param name="command">Gets the options.</param>
    /// <param name="state">Whether it has a use for states.</param>
    public void AddTo(Command command, bool state = true)
    {
        foreach (var option in All.Where(o => state || o != _state))
        {
            command.Options.Add(option);
        }
    }

    public JobFilter Read(ParseResult parsed) => new()
    {
        Ids = parsed.GetValue(_ids) ?? [],
        Queue = parsed.GetValue(_queue),
        Type = parsed.GetValue(_type),
        State = parsed.GetResult(_state) is null ? null : parsed.GetValue(_state), // a command may be without it
        Tags = parsed.GetValue(_tags) ?? [],
        Batch = parsed.GetValue(_batch),
        EnqueuedFrom = parsed.GetValue(_enqueuedFrom),
        EnqueuedTo = parsed.GetValue(_enqueuedTo),
        EndedFrom = parsed.GetValue(_endedFrom),
        EndedTo = parsed.GetValue(_endedTo),
        Error = parsed.GetValue(_error),
        Where = Values.Pairs("--where", parsed.GetValue(_where)),
    };

    /// <summary>It means every job there is.</summary>
    public static bool IsEmpty(JobFilter filter) =>
        filter is { Ids.Count: 0, Queue: null, State: null, Type: null, Tags.Count: 0, Batch: null, Error: null, Where.Count: 0, EnqueuedFrom: null, EnqueuedTo: null, EndedFrom: null, EndedTo: null };

    /// <summary>The filter as it has to be typed again, each part with a blank before it. Times are absolute, so that the next page is one of the same list.</summary>
    public static string Typed(JobFilter filter) => string.Concat(
        string.Concat(filter.Ids.Select(i => $" --id {i}")),
        filter.Queue is { } queue ? $" --queue {queue}" : "",
        filter.Type is { } type ? $" --type {type}" : "",
        filter.State is { } state ? $" --state {Words.Of(state)}" : "",
        string.Concat(filter.Tags.Select(t => $" --tag {Quoted(t)}")),
        filter.Batch is { } batch ? $" --batch {batch}" : "",
        Time(" --enqueued-from", filter.EnqueuedFrom),
        Time(" --enqueued-to", filter.EnqueuedTo),
        Time(" --ended-from", filter.EndedFrom),
        Time(" --ended-to", filter.EndedTo),
        filter.Error is { } error ? $" --error {Quoted(error)}" : "",
        string.Concat(filter.Where.Select(w => $" --where {Quoted($"{w.Key}={w.Value}")}")));

    private static string Time(string name, DateTimeOffset? time) => time is { } t ? $"{name} {t.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)}" : "";

    /// <summary>For a POSIX shell.</summary>
    private static string Quoted(string text) => text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || "._-:@/=+,".Contains(c, StringComparison.Ordinal)) ? text
        : $"'{Plain.Line(text).Replace("'", @"'\''", StringComparison.Ordinal)}'";

    private static Option<DateTimeOffset?> TimeOption(string name, string description, TimeProvider time) => Values.Option<DateTimeOffset?>(name, "TIME", description, text =>
        text.Length > 4 && text[4] == '-' ? Plain.ParseTime(text) : Ago(text, time));

    private static DateTimeOffset Ago(string text, TimeProvider time)
    {
        try
        {
            return time.GetUtcNow() - Plain.ParseDuration(text);
        }
        catch (FormatException e)
        {
            throw new FormatException($"The time \"{text}\" is not allowed; use ISO 8601, for example 2030-01-31T08:00:00Z, or how long ago, for example 90s, 5m, 2h or 3d.", e);
        }
    }
}
