using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>The statements of the audit and of the doctor: what should be impossible, counted; and what there is to look at beside it.</summary>
internal sealed class AuditStore(Database database)
{
    private static readonly string[] Audits = ["audit_queued", "audit_due", "audit_live", "audit_gates", "audit_transactions", "audit_counts", "audit_occurrences", "audit_partitions"];

    /// <summary>Looks at all that is audited.</summary>
    public async Task<List<Finding>> LookAsync(CancellationToken ct)
    {
        var findings = new List<Finding>();
        foreach (var audit in Audits)
        {
            await using var command = database.Command(audit);
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                findings.Add(new Finding(reader.GetString(0), reader.GetInt64(1), Time(reader, 2), reader.IsDBNull(3) ? null : reader.GetString(3)));
            }
        }

        return findings;
    }

    /// <summary>Keeps what was found, if this is still the leader.</summary>
    public async Task PutIfLeaderAsync(IReadOnlyList<Finding> findings, long epoch, Guid session, CancellationToken ct)
    {
        await using var command = database.Command("put_findings_if_leader", Param.Of(findings.Select(f => f.Name).ToArray()), Param.Of(findings.Select(f => f.Value).ToArray()),
            new NpgsqlParameter { Value = findings.Select(f => f.Oldest).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz },
            new NpgsqlParameter { Value = findings.Select(f => f.Detail).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
            Param.Of(epoch), Param.Of(session));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>What the audit has found, each with when it was looked at.</summary>
    public async Task<List<(Finding Finding, DateTimeOffset At)>> FindingsAsync(CancellationToken ct)
    {
        await using var command = database.Command("list_findings");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var findings = new List<(Finding, DateTimeOffset)>();
        while (await reader.ReadAsync(ct))
        {
            findings.Add((new Finding(reader.GetString(0), reader.GetInt64(1), Time(reader, 2), reader.IsDBNull(3) ? null : reader.GetString(3)), reader.GetFieldValue<DateTimeOffset>(4)));
        }

        return findings;
    }

    /// <summary>Clears away what nobody asks for any more. Returns how many sessions there were.</summary>
    public async Task<int> ForgetAsync(int sessionDays, int limit, int tallyDays, CancellationToken ct)
    {
        await using (var tally = database.Command("forget_tally", Param.Of(tallyDays)))
        {
            await tally.ExecuteNonQueryAsync(ct);
        }

        await using var sessions = database.Command("forget_past_sessions", Param.Of(sessionDays), Param.Of(limit));
        return await sessions.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The server's version and its clock. Works without our schema.</summary>
    public async Task<(string Version, int Number, DateTimeOffset Now)> ServerAsync(CancellationToken ct)
    {
        await using var command = database.Command("doctor_server");
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetString(0), reader.GetInt32(1), reader.GetFieldValue<DateTimeOffset>(2));
    }

    /// <summary>The schema's version, null when there is none, and the one that this program needs. Changes nothing.</summary>
    public async Task<(int? Is, int Needed)> SchemaAsync(CancellationToken ct)
    {
        var needed = Statements.Files("Migrations/").Count();
        try
        {
            await using var command = database.Command("doctor_schema");
            return ((int)(await command.ExecuteScalarAsync(ct))!, needed);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            return (null, needed); // said by the caller
        }
    }

    /// <summary>Who led last, whether it leads still, and since when not; null: nobody ever did.</summary>
    public async Task<(Guid Session, bool Leads, TimeSpan Since)?> LeaderAsync(CancellationToken ct)
    {
        await using var command = database.Command("doctor_leader");
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetGuid(0), reader.GetBoolean(1), TimeSpan.FromSeconds(Math.Max(0, reader.GetDouble(2)))) : null;
    }

    /// <summary>The queues that may have tickets, with since when they are paused.</summary>
    public async Task<List<(string Name, DateTimeOffset? PausedAt)>> QueuesAsync(int limit, CancellationToken ct)
    {
        await using var command = database.Command("doctor_queues", Param.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var queues = new List<(string, DateTimeOffset?)>();
        while (await reader.ReadAsync(ct))
        {
            queues.Add((reader.GetString(0), Time(reader, 1)));
        }

        return queues;
    }

    /// <summary>Whether there are transactions that have not ended.</summary>
    public async Task<bool> HasTransactionsAsync(CancellationToken ct)
    {
        await using var command = database.Command("doctor_transactions");
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>What is prepared in another database for over <paramref name="age"/>, oldest first, and where that is.</summary>
    /// <exception cref="ArgumentException">It is no connection string.</exception>
    public async Task<(string Where, List<(string Gid, TimeSpan Age)> Found)> PreparedAsync(string connection, TimeSpan age, CancellationToken ct)
    {
        var settings = new NpgsqlConnectionStringBuilder(connection) { Pooling = false };
        await using var other = new NpgsqlConnection(settings.ConnectionString);
        await other.OpenAsync(ct);
        await using var command = new NpgsqlCommand(database.Sql["doctor_prepared"], other) { Parameters = { Param.Of($"jobs:{database.Schema}:"), Param.Of(age.TotalSeconds) } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var found = new List<(string, TimeSpan)>();
        while (await reader.ReadAsync(ct))
        {
            found.Add((reader.GetString(0), TimeSpan.FromSeconds(reader.GetDouble(1))));
        }

        return ($"{settings.Host}/{settings.Database}", found);
    }

    private static DateTimeOffset? Time(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetFieldValue<DateTimeOffset>(column);
}

/// <summary>Something that is counted because it should not be: how many, since when, and where.</summary>
internal sealed record Finding(string Name, long Value, DateTimeOffset? Oldest, string? Detail);
