using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>The statements that move jobs through their life on the hot path: enqueue, claim, end, defer. One statement, one commit, each guarded.</summary>
internal sealed class JobStore(Database database)
{
    /// <summary>
    /// E1, E2: writes new jobs; they are durable when this returns. <paramref name="fates"/> says of each what became of it.
    /// <paramref name="again"/>: an earlier try may have succeeded, so a job that has already ended meanwhile is not written again.
    /// </summary>
    public async Task EnqueueAsync(IReadOnlyList<NewJob> jobs, EnqueueFate[] fates, bool again, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        if (!again && !jobs.Any(j => j.Later))
        {
            await using var command = database.Command("enqueue", EnqueueParameters(jobs));
            CrashPoint.Hit("E1");
            await command.ExecuteNonQueryAsync(ct);
            CrashPoint.Hit("E2");
            Array.Fill(fates, EnqueueFate.Queued, 0, jobs.Count);
            return;
        }

        await using var connection = await database.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, ct);
        var states = await InsertAnyAsync(jobs, connection, transaction, pending: false, ct);
        if (again && states.Count > 0)
        {
            await ForgetEndedAsync(states, jobs, connection, transaction, ct);
        }

        await transaction.CommitAsync(ct);
        for (var i = 0; i < jobs.Count; i++)
        {
            fates[i] = !states.TryGetValue(jobs[i].Id, out var state) ? EnqueueFate.Existed
                : state == "queued" ? EnqueueFate.Queued : EnqueueFate.Waiting;
        }
    }

    /// <summary>Writes jobs in the caller's transaction: nothing runs before its commit, nothing is left after a rollback.</summary>
    public async Task EnqueueInAsync(IReadOnlyList<NewJob> jobs, NpgsqlTransaction transaction, bool again, CancellationToken ct)
    {
        var connection = transaction.Connection
            ?? throw new InvalidOperationException("The transaction has already been committed or rolled back; enqueue before that.");
        var states = await InsertAnyAsync(jobs, connection, transaction, pending: true, ct);
        if (again && states.Count > 0)
        {
            await ForgetEndedAsync(states, jobs, connection, transaction, ct);
        }
    }

    /// <summary>Pending jobs whose transaction has committed: queued now.</summary>
    public Task<List<Ticket>> DispatchIfPendingAsync(IEnumerable<JobId> ids, CancellationToken ct) =>
        ReadQueuedAsync(database.Command("dispatch_if_pending", Param.Of(ids.Select(i => i.Value).ToArray())), ct);

    /// <summary>X2, X3: claims what these tickets name, for this session. Tickets that are stale, or for another worker, are missing in the answer.</summary>
    public async Task ClaimIfQueuedAsync(Guid session, Guid[] ids, int[] dispatches, string queue, string[] types, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var command = database.Command("claim_if_queued", Param.Of(session), Param.Of(ids), Param.Of(dispatches), Param.Of(queue), Param.Of(types));
        CrashPoint.Hit("X2");
        await ReadClaimedAsync(command, types, claimed, ct);
    }

    /// <summary>After a claim whose outcome is unknown: what it did claim for this session, and what the session had claimed before.</summary>
    public async Task ClaimedBySessionAsync(Guid session, Guid[] ids, string[] types, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var command = database.Command("claimed_by_session", Param.Of(session), Param.Of(ids));
        await ReadClaimedAsync(command, types, claimed, ct);
    }

    /// <summary>Tickets of types that this worker cannot run: their jobs wait a little. Returns the types.</summary>
    public async Task<IReadOnlyList<string>> ReleaseIfUnhandledAsync(Guid[] ids, int[] dispatches, string queue, string[] types, CancellationToken ct)
    {
        await using var command = database.Command("release_if_unhandled", Param.Of(ids), Param.Of(dispatches), Param.Of(queue), Param.Of(types));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var released = new List<string>();
        while (await reader.ReadAsync(ct))
        {
            released.Add(reader.GetString(0));
        }

        return released;
    }

    /// <summary>X6, X7: jobs that are done, without a result. Returns how many were still this session's.</summary>
    public async Task<int> EndSucceededIfRunningAsync(Guid session, Guid[] ids, int[] attempts, CancellationToken ct)
    {
        await using var command = database.Command("end_succeeded_if_running", Param.Of(session), Param.Of(ids), Param.Of(attempts));
        return await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>X6, X7: jobs that end in any other way. Returns how many were still this session's.</summary>
    public async Task<int> EndIfRunningAsync(Guid session, IReadOnlyList<EndedAttempt> ended, CancellationToken ct)
    {
        await using var command = database.Command("end_if_running", Param.Of(session),
            Param.Of(ended.Select(e => e.Id.Value).ToArray()), Param.Of(ended.Select(e => e.Attempt).ToArray()),
            Param.Of(ended.Select(e => Words.Of(e.State)).ToArray()), Param.Json([.. ended.Select(e => e.Result)]), Param.Jsonb([.. ended.Select(e => e.Error)]));
        return await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>X6, X7: attempts that are to be followed by another. Returns how many were still this session's.</summary>
    public async Task<int> DeferIfRunningAsync(Guid session, IReadOnlyList<DeferredAttempt> deferred, CancellationToken ct)
    {
        await using var command = database.Command("defer_if_running", Param.Of(session),
            Param.Of(deferred.Select(d => d.Id.Value).ToArray()), Param.Of(deferred.Select(d => d.Attempt).ToArray()),
            Param.Of(deferred.Select(d => d.Delay.TotalSeconds).ToArray()), Param.Jsonb([.. deferred.Select(d => d.Error)]));
        return await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>What could not finish before the shutdown: queued again, with no attempt used up.</summary>
    public Task<List<Ticket>> HandBackIfRunningAsync(Guid session, Guid[] ids, CancellationToken ct) =>
        ReadQueuedAsync(database.Command("hand_back_if_running", Param.Of(session), Param.Of(ids)), ct);

    private static async Task ReadClaimedAsync(NpgsqlCommand command, string[] types, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var type = reader.GetString(4);
            claimed.Add(new ClaimedJob(
                new JobId(reader.GetGuid(0)), reader.GetInt32(1), reader.GetInt16(2), (byte)reader.GetInt16(3),
                Array.Find(types, t => t == type) ?? type, // the worker's own string: one instance a type, not one a job
                reader.GetFieldValue<DateTimeOffset>(5), reader.GetFieldValue<byte[]>(6)));
        }
    }

    internal static async Task<List<Ticket>> ReadQueuedAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await using (command)
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            var queued = new List<Ticket>();
            while (await reader.ReadAsync(ct))
            {
                queued.Add(new Ticket(new JobId(reader.GetGuid(0)), reader.GetInt32(1), reader.GetString(2), (byte)reader.GetInt16(3), reader.GetString(4)));
            }

            return queued;
        }
    }

    private async Task<Dictionary<JobId, string>> InsertAnyAsync(
        IReadOnlyList<NewJob> jobs, NpgsqlConnection connection, NpgsqlTransaction transaction, bool pending, CancellationToken ct)
    {
        await using var insert = new NpgsqlCommand(database.Sql["enqueue_any"], connection, transaction);
        insert.Parameters.AddRange(EnqueueParameters(jobs));
        insert.Parameters.Add(new NpgsqlParameter { Value = jobs.Select(j => j.DelaySeconds).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Double });
        insert.Parameters.Add(new NpgsqlParameter { Value = jobs.Select(j => j.RunAt?.ToUniversalTime()).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz });
        insert.Parameters.Add(Param.Of(pending));
        await using var reader = await insert.ExecuteReaderAsync(ct);
        var states = new Dictionary<JobId, string>(jobs.Count);
        while (await reader.ReadAsync(ct))
        {
            states.Add(new JobId(reader.GetGuid(0)), reader.GetString(1));
        }

        return states;
    }

    private async Task ForgetEndedAsync(
        Dictionary<JobId, string> inserted, IReadOnlyList<NewJob> jobs, NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var forget = new NpgsqlCommand(database.Sql["forget_if_ended"], connection, transaction);
        forget.Parameters.Add(Param.Of(inserted.Keys.Select(i => i.Value).ToArray()));
        forget.Parameters.Add(Param.Of(QueryStore.LookBack(jobs.Min(j => j.Id.CreatedAt))));
        await using var reader = await forget.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            inserted.Remove(new JobId(reader.GetGuid(0)));
        }
    }

    private static NpgsqlParameter[] EnqueueParameters(IReadOnlyList<NewJob> jobs)
    {
        var n = jobs.Count;
        var (ids, types, queues, priorities, arguments) = (new Guid[n], new string[n], new string[n], new short[n], new byte[n][]);
        for (var i = 0; i < n; i++)
        {
            var job = jobs[i];
            (ids[i], types[i], queues[i], priorities[i], arguments[i]) = (job.Id.Value, job.Type, job.Queue, job.Priority, job.Arguments);
        }

        return [Param.Of(ids), Param.Of(types), Param.Of(queues), Param.Of(priorities), Param.Json(arguments)];
    }
}
