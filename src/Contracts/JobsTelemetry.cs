using System.Diagnostics.Metrics;

namespace Jobs;

/// <summary>
/// The names under which the platform traces and measures itself, for <c>AddSource</c> and <c>AddMeter</c> of OpenTelemetry or for a listener of one's own.
/// docs/OPERATIONS.md lists every span and instrument.
/// </summary>
public static class JobsTelemetry
{
    internal const string Coordination = "Jobs.Coordination";
    internal const string Producer = "Jobs.Producer";
    internal const string RabbitMq = "Jobs.RabbitMq";
    internal const string Scheduler = "Jobs.Scheduler";
    internal const string Transactions = "Jobs.Transactions";
    internal const string Worker = "Jobs.Worker";

    /// <summary>The platform's own activity sources: enqueues, attempts, occurrences of schedules, transactions.</summary>
    public static IReadOnlyList<string> Sources { get; } = [Producer, Worker, Scheduler, Transactions];

    /// <summary>The platform's own meters.</summary>
    public static IReadOnlyList<string> Meters { get; } = [Coordination, Producer, RabbitMq, Scheduler, Transactions, Worker];

    /// <summary>
    /// The activity sources of the clients that the platform uses: every statement and every ticket becomes a span, so this is for looking closely and not for every day.
    /// What the platform does behind its callers' backs starts traces of its own.
    /// </summary>
    public static IReadOnlyList<string> ClientSources { get; } = ["Npgsql", "RabbitMQ.Client.Publisher", "RabbitMQ.Client.Subscriber"];

    /// <summary>The meters of the clients that the platform uses: the connection pool and its commands.</summary>
    public static IReadOnlyList<string> ClientMeters { get; } = ["Npgsql"];

    /// <summary>The meter of one room in one host; of the host's factory where it has one, so that tests can tell hosts apart.</summary>
    internal static Meter Open(string name, IMeterFactory? factory) => factory?.Create(new MeterOptions(name)) ?? new Meter(name);

    /// <summary>Buckets for what takes from half a millisecond to a day.</summary>
    internal static InstrumentAdvice<double> Seconds { get; } = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400],
    };

    /// <summary>Buckets for one statement or one look: half a millisecond to a minute.</summary>
    internal static InstrumentAdvice<double> ShortSeconds { get; } = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    };
}

/// <summary>The attributes of spans and measurements, so that one thing has one name everywhere.</summary>
internal static class Labels
{
    public const string Queue = "jobs.queue";
    public const string Type = "jobs.type";
    public const string Limit = "jobs.limit";
    public const string State = "jobs.state";
    public const string Outcome = "jobs.outcome";
    public const string Via = "jobs.via";
    public const string Connection = "jobs.connection";
    public const string Service = "jobs.service";
    public const string Database = "jobs.database";
    public const string Result = "jobs.result";
    public const string Mode = "jobs.mode";
    public const string ErrorType = "error.type";

    // Of spans only. Those of messaging come from the semantic conventions of OpenTelemetry.
    public const string Transaction = "jobs.transaction";
    public const string Priority = "jobs.priority";
    public const string Attempt = "jobs.attempt";
    public const string Schedule = "jobs.schedule";
    public const string MessagingSystem = "messaging.system";
    public const string Jobs = "jobs";
    public const string OperationName = "messaging.operation.name";
    public const string OperationType = "messaging.operation.type";
    public const string Destination = "messaging.destination.name";
    public const string MessageId = "messaging.message.id";
    public const string MessageCount = "messaging.batch.message_count";

    /// <summary>What the conventions call a value that is not among the known ones.</summary>
    public const string Other = "_OTHER";

    public static KeyValuePair<string, object?> Of(string name, object? value) => new(name, value);
}

/// <summary>Keeps the values of a label few: names that come from outside could otherwise make a time series each.</summary>
internal sealed class FewValues(int most)
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, string> _known = new();

    /// <summary>The value, or <see cref="Labels.Other"/> once there are too many.</summary>
    public string Of(string value) =>
        _known.TryGetValue(value, out var known) ? known : _known.Count >= most ? Labels.Other : _known.GetOrAdd(value, value);
}
