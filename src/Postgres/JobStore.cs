using System.Data;
using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements that move jobs through their life on the hot path: enqueue, claim, end, defer. One statement, one commit, each guarded.</summary>
internal sealed class JobStore(Database database)
{
    /// <summary>
    /// E1, E2: writes new jobs; they are durable when this returns. <paramref name="fates"/> says of each what became of it.
    /// <paramref name="again"/>: an earlier try may have succeeded, so a job that has already ended meanwhile is not written again.
    /// </summary>
    /// <returns>Ended jobs that some of the new ones wait for.</returns>
    public async Task<IReadOnlyCollection<Guid>> EnqueueAsync(IReadOnlyList<NewJob> jobs, Enqueued[] fates, bool again, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        if (!again && !jobs.Any(j => j.IsGeneral))
        {
            await using var command = database.Command("enqueue", [.. EnqueueParameters(jobs), Param.Of(jobs[0].Origin ?? database.Origin)]);
            CrashPoint.Hit("E1");
            await command.ExecuteNonQueryAsync(ct);
            CrashPoint.Hit("E2");
            for (var i = 0; i < jobs.Count; i++)
            {
                fates[i] = new Enqueued(EnqueueFate.Queued, jobs[i].Id);
            }

            return [];
        }

        if (!again && jobs.All(j => j.IsOneStatement))
        {
            await using var command = database.Command("enqueue_tied");
            GeneralEnqueue.FillTied(command, jobs, database);
            CrashPoint.Hit("E1");
            await command.ExecuteNonQueryAsync(ct);
            CrashPoint.Hit("E2");
            for (var i = 0; i < jobs.Count; i++)
            {
                fates[i] = new Enqueued(EnqueueFate.Queued, jobs[i].Id);
            }

            return [];
        }

        await using var connection = await database.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, ct);
        var enqueue = new GeneralEnqueue(database, connection, transaction, pending: false);
        var found = await enqueue.RunAsync(jobs, again, ct);
        CrashPoint.Hit("E1");
        await transaction.CommitAsync(ct);
        CrashPoint.Hit("E2");
        for (var i = 0; i < jobs.Count; i++)
        {
            fates[i] = found[jobs[i].Id];
        }

        return enqueue.EndedParents;
    }

    /// <summary>
    /// Writes jobs in the caller's transaction: nothing runs before its commit, nothing is left after a rollback. They wait as pending until
    /// <see cref="DispatchIfPendingAsync"/> or the scheduler sees the commit; without <paramref name="pending"/> they are queued, and their tickets are the caller's duty.
    /// </summary>
    public async Task<IReadOnlyDictionary<JobId, Enqueued>> EnqueueInAsync(
        IReadOnlyList<NewJob> jobs, NpgsqlTransaction transaction, bool again, CancellationToken ct, bool pending = true)
    {
        var connection = transaction.Connection
            ?? throw new InvalidOperationException("The transaction has already been committed or rolled back; enqueue before that.");
        return await new GeneralEnqueue(database, connection, transaction, pending).RunAsync(jobs, again, ct);
    }

    /// <summary>Pending jobs whose transaction has committed: queued now.</summary>
    public Task<Dispatched> DispatchIfPendingAsync(IEnumerable<JobId> ids, CancellationToken ct) =>
        Dispatched.ReadAsync(database.Command("dispatch_if_pending", Param.Of(ids.Select(i => i.Value).ToArray())), ct);

    /// <summary>X2, X3: claims what these tickets name, for this session. Tickets that are stale, or for another worker, are missing in the answer.</summary>
    public async Task ClaimIfQueuedAsync(Guid session, Guid[] ids, int[] dispatches, string queue, string[] types, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var command = database.Command("claim_if_queued", Param.Of(session), Param.Of(ids), Param.Of(dispatches), Param.Of(queue), Param.Of(types));
        CrashPoint.Hit("X2");
        await ReadClaimedAsync(command, types, claimed, ct);
    }

    /// <summary>The same where limits may apply: each job through all its gates or through none.</summary>
    public async Task<LimitedClaim> ClaimLimitedAsync(Guid session, Guid[] ids, int[] dispatches, string queue, string[] types, double ahead, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var command = database.Command(
            "claim_limited", Param.Of(session), Param.Of(ids), Param.Of(dispatches), Param.Of(queue), Param.Of(types), Param.Of(ahead));
        CrashPoint.Hit("X2");
        return await ReadLimitedAsync(command, types, claimed, ct);
    }

    /// <summary>X2, X3 without tickets: claims up to <paramref name="room"/> jobs of this queue that wait at these gates and have room there now. Others that have room are queued, and need the tickets that it returns.</summary>
    public async Task<LimitedClaim> ClaimNextAsync(Guid session, string[] gates, int room, string queue, string[] types, double ahead, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var command = database.Command(
            "claim_next", Param.Of(session), Param.Of(gates), Param.Of(room), Param.Of(queue), Param.Of(types), Param.Of(ahead));
        CrashPoint.Hit("X2");
        return await ReadLimitedAsync(command, types, claimed, ct);
    }

    private static async Task<LimitedClaim> ReadLimitedAsync(NpgsqlCommand command, string[] types, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var reader = await command.ExecuteReaderAsync(ct);
        var (from, blocked, fair) = (claimed.Count, 0, false);
        List<string> gates = [];
        List<Ticket> tickets = [];
        Dictionary<JobId, double?>? said = null; // null: it is blocked
        while (await reader.ReadAsync(ct))
        {
            switch (reader.GetString(0))
            {
                case "claimed":
                    claimed.Add(ReadClaimed(reader, 1, types) with { IsLimited = reader.GetBoolean(13) });
                    break;
                case "blocked":
                    blocked++;
                    (said ??= [])[new JobId(reader.GetGuid(1))] = null;
                    break;
                case "late":
                    (said ??= [])[new JobId(reader.GetGuid(1))] = Math.Max(0, reader.GetDouble(14));
                    break;
                case "admit":
                    gates.Add(reader.GetString(5));
                    break;
                case "fair":
                    fair = true;
                    break;
                case "ticket":
                    tickets.Add(new Ticket(new JobId(reader.GetGuid(1)), reader.GetInt32(2), reader.GetString(15), (byte)reader.GetInt16(4), reader.GetString(5)));
                    break;
                default:
                    return new LimitedClaim(true, [], 0, false, tickets);
            }
        }

        if (said is not null)
        {
            var to = from;
            for (var i = from; i < claimed.Count; i++)
            {
                if (!said.TryGetValue(claimed[i].Id, out var wait) || wait is not null)
                {
                    claimed[to++] = wait is { } w ? claimed[i] with { Wait = w } : claimed[i];
                }
            }

            claimed.RemoveRange(to, claimed.Count - to);
        }

        return new LimitedClaim(false, gates, blocked, fair, tickets);
    }

    /// <summary>Whether a limit may apply to these jobs, or their queue is fair; a plain claim takes none of them then.</summary>
    public async Task<bool> IsLimitedAsync(string queue, string[] types, CancellationToken ct)
    {
        await using var command = database.Command("is_limited", Param.Of(queue), Param.Of(types));
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>After a claim whose outcome is unknown: what it did claim for this session, and what the session had claimed before.</summary>
    public Task ClaimedBySessionAsync(Guid session, Guid[] ids, string queue, string[] types, List<ClaimedJob> claimed, CancellationToken ct) =>
        ReadHeldAsync(database.Command("claimed_by_session", Param.Of(session), Param.Of(ids), Param.Of(queue)), types, claimed, ct);

    /// <summary>The same after a claim at gates.</summary>
    public Task ClaimedAtGatesAsync(Guid session, string queue, string[] types, List<ClaimedJob> claimed, CancellationToken ct) =>
        ReadHeldAsync(database.Command("claimed_at_gates", Param.Of(session), Param.Of(queue)), types, claimed, ct);

    private static async Task ReadHeldAsync(NpgsqlCommand held, string[] types, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var command = held;
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            claimed.Add(ReadClaimed(reader, 0, types) with { IsLimited = reader.GetBoolean(12), Wait = Math.Max(0, reader.GetDouble(13)) });
        }
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

    /// <summary>X6, X7: jobs that are done, without a result. Without <paramref name="limited"/> those that a limit counts are left alone.</summary>
    public Task<EndReport> EndSucceededIfRunningAsync(Guid session, Guid[] ids, int[] attempts, bool limited, CancellationToken ct) =>
        ReadEndedAsync(database.Command(limited ? "end_limited_if_running" : "end_succeeded_if_running", Param.Of(session), Param.Of(ids), Param.Of(attempts)), ct);

    /// <summary>X6, X7: jobs that end in any other way.</summary>
    public Task<EndReport> EndIfRunningAsync(Guid session, IReadOnlyList<EndedAttempt> ended, CancellationToken ct) =>
        ReadEndedAsync(database.Command("end_if_running", Param.Of(session),
            Param.Of(ended.Select(e => e.Id.Value).ToArray()), Param.Of(ended.Select(e => e.Attempt).ToArray()),
            Param.Of(ended.Select(e => Words.Of(e.State)).ToArray()), Param.Json([.. ended.Select(e => e.Result)]), Param.Jsonb([.. ended.Select(e => e.Error)])), ct);

    /// <summary>X6, X7: attempts that are to be followed by another.</summary>
    public async Task<EndReport> DeferIfRunningAsync(Guid session, IReadOnlyList<DeferredAttempt> deferred, CancellationToken ct)
    {
        await using var command = database.Command("defer_if_running", Param.Of(session),
            Param.Of(deferred.Select(d => d.Id.Value).ToArray()), Param.Of(deferred.Select(d => d.Attempt).ToArray()),
            Param.Of(deferred.Select(d => d.Delay.TotalSeconds).ToArray()), Param.Jsonb([.. deferred.Select(d => d.Error)]));
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new EndReport((int)reader.GetInt64(0), Followed.Nothing, reader.IsDBNull(1) ? [] : reader.GetFieldValue<string[]>(1));
    }

    /// <summary>Attempts that the other side told to come back later: their gates are paused. Also returns the types of jobs that no limit knows.</summary>
    public async Task<(EndReport Report, string[] Unknown)> PushBackIfRunningAsync(Guid session, IReadOnlyList<PushedBack> told, CancellationToken ct)
    {
        await using var command = database.Command("push_back_if_running", Param.Of(session), Param.Of(told.Select(d => d.Id.Value).ToArray()), Param.Of(told.Select(d => d.Attempt).ToArray()),
            Param.Of(told.Select(d => d.Delay.TotalSeconds).ToArray()), Param.Texts([.. told.Select(d => d.Limit!)]));
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (new EndReport(reader.GetInt32(0), Followed.Nothing, reader.IsDBNull(1) ? [] : reader.GetFieldValue<string[]>(1)), reader.IsDBNull(2) ? [] : reader.GetFieldValue<string[]>(2));
    }

    /// <summary>What could not finish before the shutdown: queued again, with no attempt used up.</summary>
    public Task<List<Ticket>> HandBackIfRunningAsync(Guid session, Guid[] ids, CancellationToken ct) =>
        ReadQueuedAsync(database.Command("hand_back_if_running", Param.Of(session), Param.Of(ids)), ct);

    /// <summary>
    /// Asks the workers that run these jobs to stop them, which they hear of at once. The request holds until the job has ended, for this attempt and any later one. Jobs that do not
    /// run are left out.
    /// </summary>
    /// <returns>Those that were asked for, now or before.</returns>
    public async Task<List<JobId>> RequestCancelIfRunningAsync(Guid[] ids, string? by, string? reason, CancellationToken ct)
    {
        await using var command = database.Command("request_cancel_if_running", Param.Of(ids), Param.Text(by), Param.Text(reason));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var asked = new List<JobId>();
        while (await reader.ReadAsync(ct))
        {
            asked.Add(new JobId(reader.GetGuid(0)));
        }

        return asked;
    }

    private static async Task ReadClaimedAsync(NpgsqlCommand command, string[] types, List<ClaimedJob> claimed, CancellationToken ct)
    {
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            claimed.Add(ReadClaimed(reader, 0, types));
        }
    }

    private static ClaimedJob ReadClaimed(NpgsqlDataReader reader, int at, string[] types)
    {
        var type = reader.GetString(at + 4);
        return new ClaimedJob(
            new JobId(reader.GetGuid(at)), reader.GetInt32(at + 1), reader.GetInt16(at + 2), (byte)reader.GetInt16(at + 3),
            Array.Find(types, t => t == type) ?? type, // the worker's own string: one instance a type, not one a job
            reader.GetFieldValue<DateTimeOffset>(at + 5), reader.GetFieldValue<byte[]>(at + 6),
            reader.IsDBNull(at + 7) ? null : reader.GetFloat(at + 7), reader.IsDBNull(at + 8) ? null : reader.GetGuid(at + 8),
            reader.IsDBNull(at + 9) ? null : reader.GetFieldValue<Guid[]>(at + 9), reader.IsDBNull(at + 10) ? null : reader.GetString(at + 10),
            reader.IsDBNull(at + 11) ? null : reader.GetString(at + 11));
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

    internal static async Task<EndReport> ReadEndedAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await using (command)
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            await reader.ReadAsync(ct);
            var (followed, batches) = (reader.IsDBNull(1) ? [] : reader.GetFieldValue<Guid[]>(1), reader.IsDBNull(2) ? [] : reader.GetFieldValue<Guid[]>(2));
            return new EndReport((int)reader.GetInt64(0), followed.Length + batches.Length == 0 ? Followed.Nothing : new Followed(followed, [.. batches.Distinct()]),
                reader.FieldCount > 3 && !reader.IsDBNull(3) ? reader.GetFieldValue<string[]>(3) : []);
        }
    }

    internal static NpgsqlParameter[] EnqueueParameters(IReadOnlyList<NewJob> jobs)
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
