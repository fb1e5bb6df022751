using Npgsql;

namespace Jobs.Bench;

/// <summary>The two databases that transfers go between, 100,000 accounts in each; on the server of the jobs, dropped at the end.</summary>
internal sealed class TransferDatabases : IAsyncDisposable
{
    public const string Here = "bench_here";
    public const string There = "bench_there";
    public const int Accounts = 100_000;

    private static readonly string[] Both = [Here, There];

    public static string HereConnection => Settings(Here).ConnectionString;

    public static string ThereConnection => Settings(There).ConnectionString;

    /// <summary>Connections as the platform has them: pooled, statements prepared when they come again, no reset between users.</summary>
    public static NpgsqlConnectionStringBuilder Settings(string? database, int pool = 20)
    {
        var settings = new NpgsqlConnectionStringBuilder(Servers.Postgres) { MaxAutoPrepare = 20, AutoPrepareMinUsages = 2, NoResetOnClose = true, MaxPoolSize = pool, ApplicationName = "jobs bench" };
        settings.Database = database ?? settings.Database;
        return settings;
    }

    public static async Task<TransferDatabases> CreateAsync()
    {
        var databases = new TransferDatabases();
        await databases.DropAsync();
        await using var server = await Servers.OpenAsync();
        foreach (var name in Both)
        {
            await Servers.ExecuteAsync(server, $"create database {name}");
            await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Servers.Postgres) { Database = name, Pooling = false });
            await using var connection = await source.OpenConnectionAsync();
            await Servers.ExecuteAsync(connection, Sql.Read("create_accounts", ""));
        }

        return databases;
    }

    public async ValueTask DisposeAsync() => await DropAsync();

    private async Task DropAsync()
    {
        await using var server = await Servers.OpenAsync();
        foreach (var name in Both)
        {
            var left = new List<string>(); // a database with prepared transactions cannot be dropped
            await using (var list = new NpgsqlCommand("select gid from pg_prepared_xacts where database = $1", server) { Parameters = { new() { Value = name } } })
            await using (var reader = await list.ExecuteReaderAsync())
            {
                while (await reader.ReadAsync())
                {
                    left.Add(reader.GetString(0));
                }
            }

            if (left.Count > 0)
            {
                await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(Servers.Postgres) { Database = name, Pooling = false }.ConnectionString);
                await connection.OpenAsync();
                foreach (var gid in left)
                {
                    await Servers.ExecuteAsync(connection, $"rollback prepared '{gid}'");
                }
            }

            await Servers.ExecuteAsync(server, $"drop database if exists {name} with (force)");
        }
    }
}
