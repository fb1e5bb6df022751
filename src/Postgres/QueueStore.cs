using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>The statements by which operators steer what is run: pauses, ageing, draining; and those by which workers and the scheduler hear of it.</summary>
internal sealed class QueueStore(Database database)
{
    /// <summary>No claim of this queue that begins after this has returned takes anything.</summary>
    public Task PauseAsync(string queue, DateTimeOffset? until, string by, string? reason, CancellationToken ct) => ActAsync("pause_queue", ct, () => [Param.Of(queue), Param.Of(by), Param.Text(reason),
        new NpgsqlParameter { Value = (object?)until?.ToUniversalTime() ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz }]);

    /// <returns>False: it was not paused.</returns>
    public Task<bool> ResumeAsync(string queue, CancellationToken ct) => ActAsync("resume_queue", ct, () => [Param.Of(queue)]);

    public Task SetAgeingAsync(string queue, int? seconds, CancellationToken ct) => ActAsync("set_ageing", ct, () => [Param.Of(queue),
        new NpgsqlParameter { Value = (object?)seconds ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer }]);

    /// <returns>False: there is no such worker.</returns>
    public Task<bool> DrainIfWorkerAsync(Guid session, string by, string? reason, CancellationToken ct) =>
        ActAsync("drain_if_worker", ct, () => [Param.Of(session), Param.Of(by), Param.Text(reason)]);

    /// <summary>Has each worker that is named give a queue or pool so many slots. Those that run hear of it within a second.</summary>
    /// <returns>False: it names a session, and there is no such worker.</returns>
    public Task<bool> SetSlotsAsync(string kind, string name, string worker, int slots, string by, string? reason, CancellationToken ct) => ActAsync("set_slots", ct, () => [Param.Of(kind), Param.Of(name),
        Param.Of(worker), Param.Of(slots), Param.Of(by), Param.Text(reason), Param.Uuid(Guid.TryParseExact(worker, "D", out var session) ? session : null)]);

    /// <returns>False: nothing was stored.</returns>
    public Task<bool> ClearSlotsAsync(string kind, string name, string worker, CancellationToken ct) => ActAsync("clear_slots", ct, () => [Param.Of(kind), Param.Of(name), Param.Of(worker)]);

    /// <summary>All that are stored, by name.</summary>
    public async Task<List<StoredSlots>> StoredSlotsAsync(CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("list_slots");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var stored = new List<StoredSlots>();
        while (await reader.ReadAsync(ct))
        {
            stored.Add(new StoredSlots(reader.GetString(1), reader.GetString(0) == SlotSetting.OfPool, reader.GetString(2) is { Length: > 0 } worker ? worker : null, reader.GetInt32(3),
                new Requested(reader.GetFieldValue<DateTimeOffset>(4), reader.GetString(5), reader.IsDBNull(6) ? null : reader.GetString(6))));
        }

        return stored;
    }

    /// <returns>Whether there was a row to change.</returns>
    private async Task<bool> ActAsync(string statement, CancellationToken ct, Func<NpgsqlParameter[]> parameters)
    {
        await database.ReadyAsync(ct);
        return await Transient.RetryAsync(async c =>
        {
            await using var command = database.Command(statement, parameters());
            await using var reader = await command.ExecuteReaderAsync(c);
            return await reader.ReadAsync(c);
        }, statement, database.Log, ct, Transient.Few);
    }

    /// <summary>What a worker has been told.</summary>
    /// <param name="session">Its session.</param>
    /// <param name="host">MACHINE/APP.</param>
    /// <param name="queues">Its queues.</param>
    /// <param name="pools">Its pools.</param>
    /// <param name="ct">Stops it.</param>
    public async Task<Orders> OrdersAsync(Guid session, string host, string[] queues, string[] pools, CancellationToken ct)
    {
        string[] names = [session.ToString(), host, host[..host.IndexOf('/', StringComparison.Ordinal)], ""];
        await using var command = database.Command("read_orders", Param.Of(session), Param.Of(queues), Param.Of(pools), Param.Of(names));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var paused = new Dictionary<string, TimeSpan?>();
        var slots = new List<SlotSetting>();
        Drain? drain = null;
        while (await reader.ReadAsync(ct))
        {
            var (kind, by, reason) = (reader.GetString(0), reader.IsDBNull(5) ? null : reader.GetString(5), reader.IsDBNull(6) ? null : reader.GetString(6));
            switch (kind)
            {
                case "drain":
                    drain = new Drain(by, reason);
                    break;
                case "paused":
                    paused[reader.GetString(1)] = reader.IsDBNull(2) ? null : TimeSpan.FromSeconds(Math.Clamp(reader.GetDouble(2), 0, 86_400));
                    break;
                default:
                    slots.Add(new SlotSetting(kind, reader.GetString(1), reader.GetInt32(3), reader.GetFieldValue<DateTimeOffset>(4), by!, reason));
                    break;
            }
        }

        return new Orders(paused, drain, slots);
    }

    /// <summary>A claim took none of these tickets although one of them is valid: the queue was paused then.</summary>
    public async Task<bool> StillClaimableAsync(Guid[] ids, int[] dispatches, string queue, string[] types, CancellationToken ct)
    {
        await using var command = database.Command("still_claimable", Param.Of(ids), Param.Of(dispatches), Param.Of(queue), Param.Of(types));
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Queues whose jobs gain priority, each with the time (seconds on the database clock) before which a job must have been given its ticket to gain some now.</summary>
    public async Task<Dictionary<string, double>> AgeingQueuesAsync(CancellationToken ct)
    {
        await using var command = database.Command("ageing_queues");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var queues = new Dictionary<string, double>();
        while (await reader.ReadAsync(ct))
        {
            queues[reader.GetString(0)] = reader.GetDouble(1);
        }

        return queues;
    }

    /// <summary>Up to <paramref name="limit"/> queued jobs whose ticket was sent between the two times: a level of priority more, and a new ticket.</summary>
    public Task<List<Ticket>> AgeIfQueuedAsync(string queue, double from, double to, int limit, CancellationToken ct) =>
        JobStore.ReadQueuedAsync(database.Command("age_if_queued", Param.Of(queue), Param.Of(from), Param.Of(to), Param.Of(limit)), ct);

    /// <summary>The same queues, with what operators have set.</summary>
    public async Task<IReadOnlyList<QueueInfo>> WithSettingsAsync(IReadOnlyList<QueueInfo> queues, CancellationToken ct)
    {
        var settings = new Dictionary<string, (QueuePause? Paused, TimeSpan? Ageing)>();
        await using (var command = database.Command("queue_settings"))
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                settings[reader.GetString(0)] = (
                    reader.IsDBNull(1) ? null : new QueuePause(reader.GetFieldValue<DateTimeOffset>(1), reader.IsDBNull(2) ? null : reader.GetString(2),
                        reader.IsDBNull(3) ? null : reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetFieldValue<DateTimeOffset>(4)),
                    reader.IsDBNull(5) ? null : TimeSpan.FromSeconds(reader.GetInt32(5)));
            }
        }

        return settings.Count == 0 ? queues : [.. queues.Select(q => settings.TryGetValue(q.Name, out var s) ? q with { Paused = s.Paused, Ageing = s.Ageing } : q)];
    }
}

/// <summary>What a worker has been told: paused queues, each with the time until that ends by itself; to leave; how many slots it has, one setting for a name at most.</summary>
internal sealed record Orders(IReadOnlyDictionary<string, TimeSpan?> Paused, Drain? Drain, IReadOnlyList<SlotSetting> Slots);

/// <summary>How many slots somebody wants a queue or a pool to have.</summary>
internal sealed record SlotSetting(string Kind, string Name, int Slots, DateTimeOffset At, string By, string? Reason)
{
    public const string OfQueue = "queue";
    public const string OfPool = "pool";
}

/// <summary>Who wants a worker to leave, and why.</summary>
internal sealed record Drain(string? By, string? Reason);
