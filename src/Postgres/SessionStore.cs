using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements about who is there: sessions and the leader. Session statements run on the session's own connection.</summary>
internal sealed class SessionStore(Database database)
{
    /// <summary>A connection outside the pool: a pool that is starved by work must not make a process look dead.</summary>
    public async Task<NpgsqlConnection> ConnectAsync(CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        var settings = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Pooling = false, CommandTimeout = 10 };
        var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(ct);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public Task OpenAsync(NpgsqlConnection connection, SessionRow row, CancellationToken ct) =>
        RunAsync(connection, "open_session", ct, Param.Of(row.Id), new NpgsqlParameter { Value = (object?)row.LockKey ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint },
            Param.Of(row.ProcessId), Param.Of(row.Host), Param.Of(row.Roles), Param.Jsonb(row.Queues), Param.Of(row.Types), Json(row.Slots));

    /// <returns>False: an earlier connection of this session still holds it.</returns>
    public async Task<bool> LockAsync(NpgsqlConnection connection, long key, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(database.Sql["lock_session"], connection);
        command.Parameters.Add(Param.Of(key));
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>From now on <paramref name="heard"/> is called with each signal, while the connection waits or answers.</summary>
    public async Task ListenAsync(NpgsqlConnection connection, Action<string> heard, CancellationToken ct)
    {
        connection.Notification += (_, e) => heard(e.Payload);
        await using var command = new NpgsqlCommand(database.Sql["listen"].Replace("{schema}", database.Schema, StringComparison.Ordinal), connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <param name="connection">The session's own.</param>
    /// <param name="id">The session.</param>
    /// <param name="running">Attempts that it runs.</param>
    /// <param name="abandoned">Handlers that it has abandoned.</param>
    /// <param name="refused">Outcomes that were refused since the last heartbeat that told of them.</param>
    /// <param name="slots">A worker's slots, as JSON.</param>
    /// <param name="ct">Stops it.</param>
    /// <returns>False: others have ended this session.</returns>
    public async Task<bool> BeatIfAliveAsync(NpgsqlConnection connection, Guid id, int running, int abandoned, long refused, string? slots, CancellationToken ct) =>
        await RunAsync(connection, "beat_if_alive", ct, Param.Of(id), Param.Of(running), Param.Of(abandoned), Param.Of(refused), Json(slots)) == 1;

    /// <summary>The attempts of this session that somebody wants stopped. Told until they have ended.</summary>
    public async Task<List<CancelOrder>> CancelRequestsAsync(NpgsqlConnection connection, Guid id, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(database.Sql["cancel_requests"], connection);
        command.Parameters.Add(Param.Of(id));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var requests = new List<CancelOrder>();
        while (await reader.ReadAsync(ct))
        {
            requests.Add(new CancelOrder(new JobId(reader.GetGuid(0)), reader.GetInt32(1), reader.IsDBNull(2) ? null : reader.GetString(2), reader.IsDBNull(3) ? null : reader.GetString(3)));
        }

        return requests;
    }

    public Task CloseAsync(NpgsqlConnection connection, Guid id, long refused, CancellationToken ct) => RunAsync(connection, "close_session", ct, Param.Of(id), Param.Of(refused));

    /// <summary>Takes or keeps the lead for <paramref name="ttl"/>; null: somebody else has it.</summary>
    public async Task<long?> LeadAsync(Guid session, TimeSpan ttl, CancellationToken ct)
    {
        await using var command = database.Command("lead", Param.Of(session), Param.Of(ttl.TotalSeconds));
        return await command.ExecuteScalarAsync(ct) as long?;
    }

    public async Task ResignAsync(Guid session, CancellationToken ct)
    {
        await using var command = database.Command("resign_if_leader", Param.Of(session));
        await command.ExecuteNonQueryAsync(ct);
    }

    private static NpgsqlParameter Json(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Jsonb };

    private async Task<int> RunAsync(NpgsqlConnection connection, string statement, CancellationToken ct, params NpgsqlParameter[] parameters)
    {
        await using var command = new NpgsqlCommand(database.Sql[statement], connection);
        command.Parameters.AddRange(parameters);
        return await command.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>What a process says about itself. <paramref name="Queues"/> is JSON: slots by queue. <paramref name="Slots"/> too: what a worker says about them.</summary>
internal sealed record SessionRow(Guid Id, long? LockKey, int ProcessId, string Host, string[] Roles, string Queues, string[] Types, string? Slots);
