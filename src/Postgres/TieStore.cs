using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>The statements about jobs that belong together: who waits for whom, and batches.</summary>
internal sealed class TieStore(Database database)
{
    /// <summary>Tells those that wait for these ended jobs. A dispatch of -1 marks a child that was cancelled and has somebody to tell in turn.</summary>
    public async Task<(List<Ticket> Queued, Followed Cancelled)> ReleaseFollowersAsync(IReadOnlyCollection<Guid> ended, CancellationToken ct)
    {
        await using var command = database.Command("release_followers", Param.Of(ended.ToArray()), Param.Of(QueryStore.LookBack(ended.Min(e => new JobId(e).CreatedAt))));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var queued = new List<Ticket>();
        var (cancelled, batches) = (new List<Guid>(), new HashSet<Guid>());
        while (await reader.ReadAsync(ct))
        {
            var (id, dispatch) = (reader.GetGuid(0), reader.GetInt32(1));
            if (dispatch > 0)
            {
                queued.Add(new Ticket(new JobId(id), dispatch, reader.GetString(2), (byte)reader.GetInt16(3), reader.GetString(4)));
                continue;
            }

            cancelled.Add(id);
            if (!reader.IsDBNull(5))
            {
                batches.Add(reader.GetGuid(5));
            }
        }

        return (queued, new Followed(cancelled, batches));
    }

    /// <summary>Batches of which a job did not succeed, or whose last job has ended: their callbacks, queued.</summary>
    public async Task<List<Ticket>> SettleBatchesAsync(IReadOnlyCollection<Guid> batches, CancellationToken ct)
    {
        var ids = batches.ToArray();
        var callbacks = await JobStore.ReadQueuedAsync(database.Command("fail_batches", Param.Of(ids)), ct);
        callbacks.AddRange(await JobStore.ReadQueuedAsync(database.Command("complete_batches", Param.Of(ids)), ct));
        return callbacks;
    }

    /// <summary>What a crash may have left: parents whose children were not told, batches above <paramref name="batchesAbove"/> that are not complete.</summary>
    public async Task<Followed> UnsettledAsync(int limit, Guid batchesAbove, CancellationToken ct) => new(
        await ReadIdsAsync(database.Command("unreleased_parents", Param.Of(limit)), ct),
        await ReadIdsAsync(database.Command("incomplete_batches", Param.Of(limit), Param.Of(batchesAbove)), ct));

    /// <summary>Callbacks are JSON: id, type, queue, priority, args.</summary>
    public async Task CreateBatchAsync(Guid id, string? onSuccess, string? onFailure, string? onCompletion, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("create_batch", Param.Of(id), Callback(onSuccess), Callback(onFailure), Callback(onCompletion));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <returns>False: there is no such batch.</returns>
    public async Task<bool> SealBatchAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Command("seal_batch", Param.Of(id));
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }

    public async Task<BatchInfo?> GetBatchAsync(Guid id, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("get_batch", Param.Of(id));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return !await reader.ReadAsync(ct) ? null : new BatchInfo(
            new JobId(reader.GetGuid(0)), reader.GetFieldValue<DateTimeOffset>(1), Time(2), Time(3), Time(4), reader.GetInt64(5), reader.GetInt64(6), reader.GetInt64(7));

        DateTimeOffset? Time(int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
    }

    private static NpgsqlParameter Callback(string? json) => new() { Value = (object?)json ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Jsonb };

    private static async Task<List<Guid>> ReadIdsAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await using (command)
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            var ids = new List<Guid>();
            while (await reader.ReadAsync(ct))
            {
                ids.Add(reader.GetGuid(0));
            }

            return ids;
        }
    }
}
