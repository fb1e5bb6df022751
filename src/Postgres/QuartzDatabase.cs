using System.Data.Common;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Jobs.Postgres;

/// <summary>The connections that Quartz uses: few, apart from ours, and such that a node which is dead or frozen cannot hold its locks.</summary>
internal sealed class QuartzDatabase(Database database, IOptions<JobsOptions> options)
{
    private const int MaxConnections = 12;
    private const int CommandSeconds = 10;

    // A frozen client keeps its TCP connection alive; the server ends a transaction of which it has not heard for that long.
    private const string Guard = "set idle_in_transaction_session_timeout = '10s'; set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3; set jit = off";

    public string Schema => database.Schema + "_quartz";

    /// <summary>The schema that Quartz makes its tables in.</summary>
    public async Task MakeSchemaAsync(CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("make_quartz_schema");
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>A pool of its own; whoever asks for it disposes it.</summary>
    public DbDataSource Open()
    {
        var builder = new NpgsqlDataSourceBuilder(options.Value.Postgres);
        var settings = builder.ConnectionStringBuilder;
        settings.ApplicationName = $"{options.Value.AppName} quartz";
        settings.SearchPath = Schema;
        settings.MaxPoolSize = MaxConnections;
        settings.MinPoolSize = 0;
        settings.CommandTimeout = CommandSeconds;
        settings.Timeout = CommandSeconds;
        settings.KeepAlive = 0;
        settings.TcpKeepAlive = true;
        settings.TcpKeepAliveTime = 5;
        settings.TcpKeepAliveInterval = 2;
        settings.NoResetOnClose = true; // a reset would undo what the initializer sets
        settings.MaxAutoPrepare = 60;
        settings.AutoPrepareMinUsages = 2;
        builder.UsePhysicalConnectionInitializer(
            c => { using var set = new NpgsqlCommand(Guard, c); set.ExecuteNonQuery(); },
            async c => { await using var set = new NpgsqlCommand(Guard, c); await set.ExecuteNonQueryAsync(); });
        return builder.Build();
    }
}
