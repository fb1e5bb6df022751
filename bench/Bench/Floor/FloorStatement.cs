using Npgsql;
using NpgsqlTypes;

namespace Jobs.Bench.Floor;

/// <summary>One connection with its prepared statement; the parameters are reused. Commits are synchronous, as the server's default is.</summary>
internal sealed class FloorStatement : IAsyncDisposable
{
    private const string ByIndex = "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off";

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlCommand _command;

    private FloorStatement(NpgsqlConnection connection, NpgsqlCommand command) => (_connection, _command) = (connection, command);

    public static async Task<FloorStatement> PrepareAsync(string name, string schema, bool withArguments = false)
    {
        var connection = await Servers.OpenAsync();
        await Servers.ExecuteAsync(connection, ByIndex);
        var command = new NpgsqlCommand(Sql.Read(name, schema), connection);
        command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid });
        if (withArguments)
        {
            command.Parameters.Add(new NpgsqlParameter { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Json });
        }

        await command.PrepareAsync();
        return new FloorStatement(connection, command);
    }

    public Task<int> ExecuteAsync(Guid[] ids, byte[][]? arguments = null)
    {
        Bind(ids, arguments);
        return _command.ExecuteNonQueryAsync();
    }

    /// <summary>Returns the ids that came back; their arguments are read too, as a handler would need them.</summary>
    public async Task<Guid[]> ClaimAsync(Guid[] ids)
    {
        Bind(ids, null);
        var claimed = new Guid[ids.Length];
        var count = 0;
        await using var reader = await _command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            claimed[count++] = reader.GetGuid(0);
            _ = reader.GetInt32(1);
            _ = reader.GetFieldValue<byte[]>(2);
        }

        return count == claimed.Length ? claimed : claimed[..count];
    }

    public async ValueTask DisposeAsync()
    {
        await _command.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private void Bind(Guid[] ids, byte[][]? arguments)
    {
        _command.Parameters[0].Value = ids;
        if (arguments is not null)
        {
            _command.Parameters[1].Value = arguments;
        }
    }
}
