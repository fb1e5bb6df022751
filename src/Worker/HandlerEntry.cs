using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Worker;

/// <summary>How jobs of one type are run.</summary>
internal abstract class HandlerEntry(string type, RetryPolicy retry, TimeSpan? timeout)
{
    public string Type { get; } = type;

    /// <summary>How long an attempt may take if its job does not say; null: for ever.</summary>
    public TimeSpan? Timeout { get; } = timeout;

    public RetryPolicy Retry { get; } = retry;

    /// <exception cref="BadArgumentsException">The stored arguments do not fit the record.</exception>
    public abstract Task<JobOutcome> RunAsync(IServiceProvider scope, byte[] arguments, JsonSerializerOptions json, JobContext context, CancellationToken ct);
}

internal sealed class HandlerEntry<TJob, THandler>(string type, RetryPolicy retry, Func<THandler, TJob, JobContext, CancellationToken, Task<JobOutcome>> run)
    : HandlerEntry(type, retry, JobType<TJob>.Info.TimeoutSeconds is > 0 and var seconds ? TimeSpan.FromSeconds(seconds) : null)
    where THandler : class
{
    private JsonTypeInfo<TJob>? _json;

    public override Task<JobOutcome> RunAsync(IServiceProvider scope, byte[] arguments, JsonSerializerOptions json, JobContext context, CancellationToken ct) =>
        run(scope.GetRequiredService<THandler>(), Read(arguments, json), context, ct);

    private TJob Read(byte[] arguments, JsonSerializerOptions json)
    {
        try
        {
            return JsonSerializer.Deserialize(arguments, _json ??= (JsonTypeInfo<TJob>)json.GetTypeInfo(typeof(TJob))) ?? throw new JsonException("The arguments are null.");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new BadArgumentsException($"The arguments of this \"{Type}\" job do not fit {typeof(TJob).Name}: {e.Message} "
                + "It is tried again like any failed attempt: deploy a worker that can read it.", e);
        }
    }
}

internal sealed class BadArgumentsException(string message, Exception inner) : Exception(message, inner);
