using Npgsql;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.Bench;

/// <summary>The two servers, as ./run names them, and the housekeeping on them that is never on the clock.</summary>
internal static class Servers
{
    public static string Postgres { get; } = Required("JOBS_POSTGRES");

    public static string RabbitMq { get; } = Required("JOBS_RABBITMQ");

    public static async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Postgres) { Pooling = false, CommandTimeout = 0, ApplicationName = "jobs bench" }.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    public static Task<IConnection> ConnectAsync() => new ConnectionFactory
    {
        Uri = new Uri(RabbitMq),
        AutomaticRecoveryEnabled = false,
        ClientProvidedName = "jobs bench",
    }.CreateConnectionAsync();

    /// <summary>Every measurement starts from the same ground: nothing left to write back, nothing to vacuum, fresh statistics.</summary>
    public static async Task SettleAsync(string schema)
    {
        await using var connection = await OpenAsync();
        var tables = await TextAsync(connection, Sql.Read("list_tables", schema));
        if (tables is { Length: > 0 })
        {
            await ExecuteAsync(connection, $"vacuum analyze {tables}");
        }

        try
        {
            await ExecuteAsync(connection, "checkpoint");
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            // A server of somebody else's: rounds are a little less alike there.
        }
    }

    /// <summary>Removes the schema and its queues, whether or not they are there.</summary>
    public static async Task RemoveAsync(string schema)
    {
        await using var connection = await OpenAsync();
        await ExecuteAsync(connection, $"set client_min_messages = warning; drop schema if exists {schema} cascade; drop schema if exists {schema}_quartz cascade");
        await using var broker = await ConnectAsync();
        await using var channel = await broker.CreateChannelAsync();
        foreach (var queue in new[] { Load.Queue, Load.WarmQueue, "malformed", "submit", "transactions", "transactions.watch", "_coordinator" })
        {
            await channel.QueueDeleteAsync($"{schema}.{queue}"); // RabbitMQ does not mind if it is missing
        }

        await channel.ExchangeDeleteAsync($"{schema}.submit");
        await channel.ExchangeDeleteAsync($"{schema}._coordinator");
    }

    /// <summary>How many messages are ready in the queue; 0 while it is missing.</summary>
    public static async Task<long> DepthAsync(IConnection broker, string queue)
    {
        await using var channel = await broker.CreateChannelAsync();
        try
        {
            return (await channel.QueueDeclarePassiveAsync(queue)).MessageCount;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
        {
            return 0;
        }
    }

    public static async Task<string> DescribeAsync()
    {
        await using var connection = await OpenAsync();
        await using var broker = await ConnectAsync();
        var version = broker.ServerProperties is { } p && p.TryGetValue("version", out var v) && v is byte[] bytes ? System.Text.Encoding.UTF8.GetString(bytes) : "?";
        return $"{Environment.ProcessorCount} cores, .NET {Environment.Version}, PostgreSQL {connection.PostgreSqlVersion}, RabbitMQ {version}";
    }

    public static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public static async Task<T> ValueAsync<T>(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private static async Task<string?> TextAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync() as string;
    }

    private static string Required(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value
        : throw new BenchException($"{name} is not set; start the benchmark with ./run bench, which starts the servers and sets it.");
}

/// <summary>An error for the person who runs the benchmark: one line with the remedy.</summary>
internal sealed class BenchException(string message) : Exception(message);

/// <summary>The SQL files of this program.</summary>
internal static class Sql
{
    /// <summary>The statement with the schema's name in the place of <c>bench_floor</c> (the floor's) or <c>jobs</c> (the platform's).</summary>
    public static string Read(string name, string schema)
    {
        using var reader = new StreamReader(typeof(Sql).Assembly.GetManifestResourceStream(name + ".sql")!);
        return reader.ReadToEnd().Replace("bench_floor", schema, StringComparison.Ordinal).Replace("jobs.", schema + ".", StringComparison.Ordinal);
    }
}
