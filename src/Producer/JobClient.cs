using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Jobs.Producer;

/// <summary>The first station of a job's way: checks what the caller gave, writes the row, hands the ticket over.</summary>
internal sealed class JobClient(EnqueueBatcher batcher, JobStore store, QueryStore query, TicketPublisher tickets, IOptions<JobsOptions> options) : IJobClient, IJobOperator
{
    private const int MaxPage = 1000;
    private static readonly EnqueueOptions Defaults = new();

    private readonly JobsOptions _options = options.Value;

    public async Task<JobId> EnqueueAsync<TJob>(TJob job, EnqueueOptions? options = null, CancellationToken ct = default)
    {
        var row = Row(job, TypeInfo<TJob>(), options);
        await batcher.EnqueueAsync(row, options?.Id is not null, ct);
        return row.Id;
    }

    public async Task<JobId> EnqueueAsync<TJob>(TJob job, NpgsqlTransaction transaction, EnqueueOptions? options = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        var row = Row(job, TypeInfo<TJob>(), options);
        await store.EnqueueInAsync([row], transaction, again: options?.Id is not null, ct);
        return row.Id;
    }

    public async Task<JobId> EnqueueJsonAsync(string type, [StringSyntax(StringSyntaxAttribute.Json)] string arguments, EnqueueOptions? options = null, CancellationToken ct = default)
    {
        NameRule.Check(type, "job type");
        ArgumentNullException.ThrowIfNull(arguments);
        try
        {
            using var parsed = JsonDocument.Parse(arguments);
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"The arguments of \"{type}\" are not JSON: {e.Message}", nameof(arguments), e);
        }

        var row = Row(type, QueueName.Default, Encoding.UTF8.GetBytes(arguments), options ?? Defaults);
        await batcher.EnqueueAsync(row, options?.Id is not null, ct);
        return row.Id;
    }

    public Task<long> EnqueueManyAsync<TJob>(IEnumerable<TJob> jobs, Func<TJob, EnqueueOptions?>? each = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        var rows = new RowMaker<TJob>(this, each);
        return batcher.EnqueueManyAsync(jobs.Select(rows.Make).ToAsyncEnumerable(), rows.Named, ct);
    }

    public Task<long> EnqueueManyAsync<TJob>(IAsyncEnumerable<TJob> jobs, Func<TJob, EnqueueOptions?>? each = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        var rows = new RowMaker<TJob>(this, each);
        return batcher.EnqueueManyAsync(jobs.Select(rows.Make), rows.Named, ct);
    }

    public async Task<int> DispatchAsync(IEnumerable<JobId> ids, CancellationToken ct = default)
    {
        var dispatched = await store.DispatchIfPendingAsync(ids, ct);
        await tickets.SendAsync(dispatched, ct);
        return dispatched.Count;
    }

    public Task<JobInfo?> GetAsync(JobId id, CancellationToken ct = default) => query.GetAsync(id, ct);

    public Task<IReadOnlyList<JobInfo>> ListAsync(JobFilter filter, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        if (filter.Limit is < 1 or > MaxPage)
        {
            throw new ArgumentOutOfRangeException(nameof(filter), filter.Limit, $"The limit {filter.Limit} is not allowed; use 1 to {MaxPage} and page with Below.");
        }

        return query.ListAsync(filter.Queue?.Value, filter.Type, filter.State, filter.Below, filter.Limit, ct);
    }

    public Task<IReadOnlyList<QueueInfo>> QueuesAsync(CancellationToken ct = default) => query.QueuesAsync(ct);

    public Task<IReadOnlyList<SessionInfo>> SessionsAsync(CancellationToken ct = default) => query.SessionsAsync(ct);

    private JsonTypeInfo<TJob> TypeInfo<TJob>() => (JsonTypeInfo<TJob>)_options.Json.GetTypeInfo(typeof(TJob));

    private NewJob Row<TJob>(TJob job, JsonTypeInfo<TJob> json, EnqueueOptions? options)
    {
        ArgumentNullException.ThrowIfNull(job);
        var info = JobType<TJob>.Info;
        return Row(info.Type, info.Queue, JsonSerializer.SerializeToUtf8Bytes(job, json), options ?? Defaults);
    }

    private NewJob Row(string type, QueueName queue, byte[] arguments, EnqueueOptions options)
    {
        if (arguments.Length > _options.MaxArgumentBytes)
        {
            throw new JobTooLargeException($"the arguments of a \"{type}\" job", arguments.Length, _options.MaxArgumentBytes);
        }

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

        return new NewJob(options.Id ?? JobId.New(), type, (options.Queue ?? queue).Value, options.Priority.Value, arguments, options.Delay?.TotalSeconds, options.RunAt);
    }

    /// <summary>Turns the caller's jobs into rows, one after another, and remembers whether any came with an id of the caller's.</summary>
    private sealed class RowMaker<TJob>(JobClient client, Func<TJob, EnqueueOptions?>? each)
    {
        private readonly JsonTypeInfo<TJob> _json = client.TypeInfo<TJob>();
        private bool _named;

        public NewJob Make(TJob job)
        {
            var options = each?.Invoke(job);
            _named |= options?.Id is not null;
            return client.Row(job, _json, options);
        }

        public bool Named() => _named;
    }
}
