using System.Diagnostics.CodeAnalysis;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Npgsql;

namespace Jobs.Producer;

/// <summary>The first station of a job's way: checks what the caller gave, writes the row, hands the ticket over.</summary>
internal sealed class JobClient(
    EnqueueBatcher batcher, Rows rows, JobStore store, TieStore ties, QueryStore query, TicketPublisher tickets, Followers followers, IJobSchedules schedules,
    Watcher watcher, LogReader logs, CoordinationTelemetry telemetry) : IJobClient
{
    public IJobSchedules Schedules => schedules;

    public async Task<JobId> EnqueueAsync<TJob>(TJob job, EnqueueOptions? options = null, CancellationToken ct = default) =>
        await SendAsync(rows.Of(job, options), null, options, ct);

    public async Task<JobId> EnqueueAsync<TJob>(TJob job, NpgsqlTransaction transaction, EnqueueOptions? options = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        return await SendAsync(rows.Of(job, options), transaction, options, ct);
    }

    public async Task<JobId> EnqueueJsonAsync(string type, [StringSyntax(StringSyntaxAttribute.Json)] string arguments, EnqueueOptions? options = null, CancellationToken ct = default) =>
        await SendAsync(rows.Of(type, arguments, options), null, options, ct);

    public Task<long> EnqueueManyAsync<TJob>(IEnumerable<TJob> jobs, Func<TJob, EnqueueOptions?>? each = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        var maker = rows.For(each);
        return SendManyAsync(jobs.Select(maker.Make).ToAsyncEnumerable(), maker.Named, ct);
    }

    public Task<long> EnqueueManyAsync<TJob>(IAsyncEnumerable<TJob> jobs, Func<TJob, EnqueueOptions?>? each = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jobs);
        var maker = rows.For(each);
        return SendManyAsync(jobs.Select(maker.Make), maker.Named, ct);
    }

    public async Task<int> DispatchAsync(IEnumerable<JobId> ids, CancellationToken ct = default)
    {
        var dispatched = await store.DispatchIfPendingAsync(ids, ct);
        telemetry.EnqueuedBySql(dispatched.New);
        await tickets.SendAsync(dispatched.Tickets, ct);
        return dispatched.Tickets.Count;
    }

    public async Task EnqueueGraphAsync(JobGraph graph, CancellationToken ct = default) => await SendGraphAsync(GraphRows(graph), null, ct);

    public async Task EnqueueGraphAsync(JobGraph graph, NpgsqlTransaction transaction, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        await SendGraphAsync(GraphRows(graph), transaction, ct);
    }

    public async Task<TResult?> GetResultAsync<TResult>(JobId id, CancellationToken ct = default) =>
        (await query.GetAsync(id, ct))?.Result is { } json ? rows.Result<TResult>(json) : default;

    public async Task<TResult?> WaitAsync<TResult>(JobId id, TimeSpan timeout, CancellationToken ct = default) =>
        await SuccessAsync(id, timeout, ct) is { } json ? rows.Result<TResult>(json) : default;

    public Task WaitAsync(JobId id, TimeSpan timeout, CancellationToken ct = default) => SuccessAsync(id, timeout, ct);

    public IAsyncEnumerable<JobLogLine> LogsAsync(JobId id, JobLogQuery? query = null, CancellationToken ct = default) => logs.ReadAsync(id, query ?? new JobLogQuery(), ct);

    public async Task<JobId> CreateBatchAsync(BatchOptions? options = null, CancellationToken ct = default)
    {
        var id = JobId.New();
        await ties.CreateBatchAsync(id.Value, rows.Callback(options?.OnSuccess), rows.Callback(options?.OnFailure), rows.Callback(options?.OnCompletion), ct);
        return id;
    }

    public async Task SealBatchAsync(JobId batch, CancellationToken ct = default)
    {
        if (!await ties.SealBatchAsync(batch.Value, ct))
        {
            throw new JobsException($"There is no batch {batch}; make one with CreateBatchAsync.");
        }

        followers.Tell(new Followed([], [batch.Value])); // all of it may have ended already
    }

    public Task<BatchInfo?> GetBatchAsync(JobId batch, CancellationToken ct = default) => ties.GetBatchAsync(batch.Value, ct);

    public Task<JobInfo?> GetAsync(JobId id, CancellationToken ct = default) => query.GetAsync(id, ct);

    private async Task<JobId> SendAsync(NewJob row, NpgsqlTransaction? transaction, EnqueueOptions? options, CancellationToken ct)
    {
        using var sending = Sending.Start();
        row = sending?.CarryOne(row) ?? row;
        try
        {
            return Judge(row, transaction is null
                ? await batcher.EnqueueAsync(row, options?.Id is not null, ct)
                : (await WriteInAsync([row], transaction, again: options?.Id is not null, ct))[0]);
        }
        catch (Exception e) when (Sending.Note(sending, e))
        {
            throw;
        }
    }

    private async Task<long> SendManyAsync(IAsyncEnumerable<NewJob> made, Func<bool> named, CancellationToken ct)
    {
        using var sending = Sending.Start();
        try
        {
            return await batcher.EnqueueManyAsync(sending is null ? made : made.Select(sending.Carry), named, ct);
        }
        catch (Exception e) when (Sending.Note(sending, e))
        {
            throw;
        }
    }

    private async Task SendGraphAsync(List<NewJob> made, NpgsqlTransaction? transaction, CancellationToken ct)
    {
        using var sending = Sending.Start();
        made = sending is null ? made : made.ConvertAll(sending.Carry);
        try
        {
            await (transaction is null ? batcher.EnqueueTogetherAsync(made, ct) : WriteInAsync(made, transaction, again: false, ct));
        }
        catch (Exception e) when (Sending.Note(sending, e))
        {
            throw;
        }
    }

    /// <summary>In the caller's transaction. Counted now, although the caller may still roll back: nobody tells us.</summary>
    private async Task<Enqueued[]> WriteInAsync(IReadOnlyList<NewJob> made, NpgsqlTransaction transaction, bool again, CancellationToken ct)
    {
        var found = await store.EnqueueInAsync(made, transaction, again, ct);
        var fates = made.Select(r => found[r.Id]).ToArray();
        telemetry.Enqueued(made, fates, "transaction");
        return fates;
    }

    private async Task<string?> SuccessAsync(JobId id, TimeSpan timeout, CancellationToken ct)
    {
        var end = await watcher.EndAsync(id, timeout, ct);
        return end.State == JobState.Succeeded ? end.Result : throw new JobFailedException(id, end.Type, end.State, end.Error);
    }

    private List<NewJob> GraphRows(JobGraph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        return graph.InOrder().ConvertAll(n => n.Row(rows));
    }

    /// <summary>The id that stands for what was enqueued.</summary>
    private static JobId Judge(NewJob row, Enqueued fate) =>
        fate.Fate == EnqueueFate.Existed && fate.Id != row.Id && row.Ties?.OnConflict == UniqueConflict.Refuse ? throw new JobExistsException(row.Type, fate.Id) : fate.Id;
}
