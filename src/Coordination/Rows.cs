using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Jobs.Postgres;
using Microsoft.Extensions.Options;

namespace Jobs.Coordination;

/// <summary>Turns what a caller gave into rows; every rule about values is checked here, before anything is written.</summary>
internal sealed class Rows(IOptions<JobsOptions> options, TimeProvider time)
{
    private const int MaxParents = 1000;
    private static readonly EnqueueOptions Defaults = new();
    private static readonly DateTimeOffset PeriodsStart = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly JobsOptions _options = options.Value;

    public NewJob Of<TJob>(TJob job, EnqueueOptions? options) => Of(job, TypeInfo<TJob>(), options);

    /// <summary>A job by the name of its type; the arguments are JSON.</summary>
    /// <exception cref="ArgumentException">They are not, or another value breaks its rule.</exception>
    public NewJob Of(string type, string arguments, EnqueueOptions? options)
    {
        NameRule.Check(type, "job type");
        ArgumentNullException.ThrowIfNull(arguments);
        return Of(type, Encoding.UTF8.GetBytes(arguments), options);
    }

    /// <summary>The same, of arguments that are in UTF-8 already; they become the row's.</summary>
    /// <exception cref="ArgumentException">They are not JSON in UTF-8, or another value breaks its rule.</exception>
    public NewJob Of(string type, byte[] arguments, EnqueueOptions? options)
    {
        NameRule.Check(type, "job type");
        CheckSize(type, arguments);
        if (!Utf8.IsValid(arguments))
        {
            throw new ArgumentException($"The arguments of \"{type}\" are not UTF-8; JSON is sent in UTF-8.", nameof(arguments));
        }

        try
        {
            using var parsed = JsonDocument.Parse(arguments);
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"The arguments of \"{type}\" are not JSON: {e.Message}", nameof(arguments), e);
        }

        return Row(type, QueueName.Default, arguments, options ?? Defaults, options?.Timeout, options?.Expires, options?.Unique);
    }

    public RowMaker<TJob> For<TJob>(Func<TJob, EnqueueOptions?>? each) => new(this, each);

    public TResult? Result<TResult>(string json) => JsonSerializer.Deserialize(json, TypeInfo<TResult>());

    /// <summary>A callback of a batch as the database keeps it.</summary>
    /// <exception cref="ArgumentException">The object is not a job.</exception>
    public string? Callback(object? job)
    {
        if (job is null)
        {
            return null;
        }

        var info = (JobAttribute)typeof(JobType<>).MakeGenericType(job.GetType()).GetProperty(nameof(JobType<>.Info))!
            .GetValue(null, System.Reflection.BindingFlags.DoNotWrapExceptions, null, null, null)!;
        var row = Row(info.Type, info.Queue, JsonSerializer.SerializeToUtf8Bytes(job, _options.Json.GetTypeInfo(job.GetType())), Defaults, null, null, null);
        var trace = Traceparent.Current is { } current ? $"\"{current}\"" : "null";
        return $$"""{"id": "{{row.Id}}", "type": "{{row.Type}}", "queue": "{{row.Queue}}", "priority": {{row.Priority}}, "trace": {{trace}}, "args": {{Encoding.UTF8.GetString(row.Arguments)}}}""";
    }

    private JsonTypeInfo<TJob> TypeInfo<TJob>() => (JsonTypeInfo<TJob>)_options.Json.GetTypeInfo(typeof(TJob));

    private NewJob Of<TJob>(TJob job, JsonTypeInfo<TJob> json, EnqueueOptions? options)
    {
        ArgumentNullException.ThrowIfNull(job);
        var info = JobType<TJob>.Info;
        return Row(info.Type, info.Queue, JsonSerializer.SerializeToUtf8Bytes(job, json), options ?? Defaults,
            options?.Timeout ?? Seconds(info.TimeoutSeconds), options?.Expires ?? Seconds(info.ExpiresSeconds), options?.Unique ?? JobType<TJob>.Unique);
    }

    private static TimeSpan? Seconds(double seconds) => seconds == 0 ? null : TimeSpan.FromSeconds(seconds);

    private NewJob Row(string type, QueueName queue, byte[] arguments, EnqueueOptions options, TimeSpan? timeout, TimeSpan? expires, Unique? unique)
    {
        CheckSize(type, arguments);
        if (options.Delay is { } delay)
        {
            Delays.Check(delay);
            if (options.RunAt is not null)
            {
                throw new ArgumentException("Delay and RunAt are both set; set one of them.", nameof(options));
            }
        }

        if (options.RunAt is { } runAt)
        {
            Delays.CheckTime(runAt);
        }

        if (options.Id is { Value.Version: not 7 } id)
        {
            throw new ArgumentException($"The id {id} is not a UUID of version 7; make ids with JobId.New().", nameof(options));
        }

        var ties = timeout is null && expires is null && unique is null && options.After.Count == 0 && options.Batch is null && options.Tags.Count == 0 && options.Metadata.Count == 0 ? null
            : Ties(type, arguments, options, timeout, expires, unique);
        return new NewJob(options.Id ?? JobId.New(), type, (options.Queue ?? queue).Value, options.Priority.Value, arguments, options.Delay?.TotalSeconds, options.RunAt, ties);
    }

    private void CheckSize(string type, byte[] arguments)
    {
        if (arguments.Length > _options.MaxArgumentBytes)
        {
            throw new JobTooLargeException($"the arguments of a \"{type}\" job", arguments.Length, _options.MaxArgumentBytes);
        }
    }

    private Ties Ties(string type, byte[] arguments, EnqueueOptions options, TimeSpan? timeout, TimeSpan? expires, Unique? unique)
    {
        if (options.After.Count > MaxParents)
        {
            throw new ArgumentException($"The job waits for {options.After.Count} others; at most {MaxParents} are allowed. Put them into a batch and wait for that.", nameof(options));
        }

        var ties = new Ties
        {
            TimeoutSeconds = timeout is { } t ? (float)Delays.CheckTimeout(t).TotalSeconds : null,
            ExpiresSeconds = expires is { } e ? Delays.CheckExpiry(e).TotalSeconds : null,
            After = options.After,
            Batch = options.Batch,
            Tags = Carried.Tags(options.Tags),
            Metadata = Carried.Metadata(options.Metadata),
        };
        if (unique is null)
        {
            return ties;
        }

        if (unique.Fault() is { } fault)
        {
            throw new ArgumentException(fault, nameof(options));
        }

        var key = $"{type}:{unique.Key ?? KeyOf(type, arguments, unique.By)}";
        return unique.Hold == UniqueHold.Period
            ? ties with { HeldKey = key, HeldSeconds = unique.Period!.Value.TotalSeconds, OnConflict = unique.OnConflict }
            : ties with
            {
                UniqueKey = unique.Period is { } period ? $"{key}:{(time.GetUtcNow() - PeriodsStart).Ticks / period.Ticks}" : key,
                UntilStarted = unique.Hold == UniqueHold.Started,
                OnConflict = unique.OnConflict,
            };
    }

    /// <summary>SHA-256 over the chosen fields, each with its name; objects with their properties in order of name, so that the order of writing does not matter.</summary>
    private static string KeyOf(string type, byte[] arguments, IReadOnlyList<string> fields)
    {
        using var document = JsonDocument.Parse(arguments);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartArray();
            if (fields.Count == 0)
            {
                WriteSorted(writer, document.RootElement);
            }

            foreach (var field in fields)
            {
                if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty(field, out var value))
                {
                    throw new ArgumentException($"Unique: the arguments of \"{type}\" have no field \"{field}\"; By takes the names that the JSON has.");
                }

                writer.WriteStringValue(field);
                WriteSorted(writer, value);
            }

            writer.WriteEndArray();
        }

        return Convert.ToHexStringLower(SHA256.HashData(buffer.GetBuffer().AsSpan(0, (int)buffer.Length)));
    }

    private static void WriteSorted(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var property in value.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(property.Name);
                    WriteSorted(writer, property.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in value.EnumerateArray())
                {
                    WriteSorted(writer, item);
                }

                writer.WriteEndArray();
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }

    /// <summary>Turns the caller's jobs into rows, one after another, and remembers whether any came with an id of the caller's.</summary>
    public sealed class RowMaker<TJob>(Rows rows, Func<TJob, EnqueueOptions?>? each)
    {
        private readonly JsonTypeInfo<TJob> _json = rows.TypeInfo<TJob>();
        private bool _named;

        public NewJob Make(TJob job)
        {
            var options = each?.Invoke(job);
            _named |= options?.Id is not null;
            return rows.Of(job, _json, options);
        }

        public bool Named() => _named;
    }
}
