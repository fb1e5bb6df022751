using System.Globalization;
using System.Text;
using System.Text.Json;
using RabbitMQ.Client;

namespace Jobs.RabbitMq;

/// <summary>
/// A message that is to become a job; docs/INTEROP.md has its format. Headers may be numbers or texts, because some senders (the management UI) only know texts.
/// </summary>
internal readonly record struct Submission(ulong Tag, int Channel, string Exchange, string RoutingKey, IReadOnlyBasicProperties Properties, byte[] Body) : IDelivery
{
    private const string Prefix = "x-jobs-";
    private const string Queue = "x-jobs-queue";
    private const string Delay = "x-jobs-delay";
    private const string RunAt = "x-jobs-run-at";
    private const string UniqueKey = "x-jobs-unique-key";
    private const string Expires = "x-jobs-expires";
    private const string Timeout = "x-jobs-timeout";
    private const string Tags = "x-jobs-tags";
    private const string Meta = "x-jobs-meta";

    /// <summary>These two are put on what is set aside, so that it can be sent again as it is.</summary>
    private const string OriginalType = "x-jobs-type";
    private const string Reason = "x-jobs-reason";

    private const double Endless = 1e11;
    private static readonly string[] Known = [Queue, Delay, RunAt, UniqueKey, Expires, Timeout, Tags, Meta];

    private static readonly string[] Times =
        ["yyyy-MM-ddTHH:mm:ss.FFFFFFFK", "yyyy-MM-ddTHH:mmK", "yyyy-MM-dd HH:mm:ss.FFFFFFFK"];

    /// <summary>The job type. A message that was moved from the queue of malformed ones came by no exchange and has it in a header.</summary>
    /// <exception cref="FormatException">There is none.</exception>
    public string JobType => Exchange.Length > 0 ? RoutingKey
        : Text(Value(OriginalType)) ?? throw new FormatException(
            $"The message was published straight to the queue, so its routing key \"{RoutingKey}\" is no job type. Publish to the exchange, with the job type as routing key.");

    /// <summary>Twice the same one is one job.</summary>
    /// <exception cref="ArgumentException">It breaks the rule for keys.</exception>
    public string? MessageId => !Properties.IsMessageIdPresent() ? null
        : NameRule.KeyFault(Properties.MessageId, "message id") is { } fault ? throw new FormatException(fault)
        : Properties.MessageId;

    /// <summary>What the priority and the headers say.</summary>
    /// <exception cref="ArgumentException">A value breaks its rule.</exception>
    /// <exception cref="FormatException">A value cannot be read, or a header is not known.</exception>
    public EnqueueOptions Options()
    {
        foreach (var name in Properties.Headers?.Keys ?? [])
        {
            if (name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && !Known.Contains(name, StringComparer.Ordinal) && name is not (OriginalType or Reason))
            {
                var near = NearMiss.Of(name.ToLowerInvariant(), Known);
                throw new FormatException($"There is no header \"{Cut(name)}\"; {(near is null ? $"use {string.Join(", ", Known)}" : $"did you mean {near}?")}");
            }
        }

        return new EnqueueOptions
        {
            Queue = Text(Value(Queue)) is { } queue ? new QueueName(queue) : (QueueName?)null,
            Priority = Properties.IsPriorityPresent() ? Properties.Priority : JobPriority.Normal,
            Delay = Seconds(Delay),
            RunAt = Time(RunAt),
            Unique = Text(Value(UniqueKey)) is { } key ? new Unique { Key = key } : null,
            Expires = Seconds(Expires),
            Timeout = Seconds(Timeout),
            Tags = TagList(),
            Metadata = Metadata(),
        };
    }

    /// <summary>As it goes to the queue of malformed messages.</summary>
    public Garbage Refused(string reason)
    {
        // One that was set aside before, and was moved back, keeps the type it came with.
        var type = Exchange.Length > 0 ? RoutingKey : Text(Value(OriginalType)) ?? "";
        return Garbage.Of(Body, Properties, reason, (OriginalType, type));
    }

    private object? Value(string header) => Properties.Headers is { } headers && headers.TryGetValue(header, out var value) ? value : null;

    private static string? Text(object? value) => value switch
    {
        null => null,
        byte[] text => Encoding.UTF8.GetString(text),
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString(),
    };

    private TimeSpan? Seconds(string header)
    {
        if (Value(header) is not { } value)
        {
            return null;
        }

        return double.TryParse(Text(value), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && !double.IsNaN(seconds)
            ? TimeSpan.FromSeconds(Math.Clamp(seconds, -Endless, Endless)) // too long for a time span is too long for any rule
            : throw new FormatException($"The header {header} is \"{Cut(Text(value)!)}\"; use a number of seconds, for example 90 or 0.5.");
    }

    private DateTimeOffset? Time(string header)
    {
        switch (Value(header))
        {
            case null:
                return null;
            case AmqpTimestamp stamp:
                return stamp.UnixTime <= DateTimeOffset.MaxValue.ToUnixTimeSeconds() && stamp.UnixTime >= DateTimeOffset.MinValue.ToUnixTimeSeconds()
                    ? DateTimeOffset.FromUnixTimeSeconds(stamp.UnixTime)
                    : throw new FormatException($"The header {header} is the timestamp {stamp.UnixTime}, which is beyond any calendar; a timestamp counts seconds since 1970.");
            case var value:
                // Without an offset it would be read as local time here and as something else there.
                return DateTime.TryParseExact(Text(value), Times, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var kind) && kind.Kind != DateTimeKind.Unspecified
                    ? DateTimeOffset.ParseExact(Text(value)!, Times, CultureInfo.InvariantCulture, DateTimeStyles.None)
                    : throw new FormatException($"The header {header} is \"{Cut(Text(value)!)}\"; use an AMQP timestamp, or a time with its offset, for example 2030-01-31T02:30:00Z.");
        }
    }

    /// <summary>A list of texts, or one text with commas.</summary>
    private IReadOnlyList<string> TagList() => Value(Tags) switch
    {
        null => [],
        System.Collections.IList list and not byte[] => [.. list.Cast<object?>().Select(t => Text(t) ?? "")],
        var value => Text(value)!.Split(',', StringSplitOptions.TrimEntries),
    };

    /// <summary>A table of texts, or a text that is a JSON object of them.</summary>
    private IReadOnlyDictionary<string, string> Metadata()
    {
        switch (Value(Meta))
        {
            case null:
                return System.Collections.Frozen.FrozenDictionary<string, string>.Empty;
            case IDictionary<string, object?> table:
                return table.ToDictionary(m => m.Key, m => Text(m.Value)!, StringComparer.Ordinal);
            case var value:
                try
                {
                    return JsonSerializer.Deserialize<Dictionary<string, string>>(Text(value)!) ?? throw new JsonException("It is null.");
                }
                catch (JsonException e)
                {
                    throw new FormatException($"The header {Meta} is \"{Cut(Text(value)!)}\"; use a table, or a JSON object, of texts, for example {{\"tenant\": \"42\"}}.", e);
                }
        }
    }

    private static string Cut(string text) => text.Length <= 64 ? text : $"{text[..64]}...";
}
