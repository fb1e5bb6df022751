using Npgsql;

namespace Jobs.Postgres;

/// <summary>
/// Brings the schema up to date: numbered plain SQL files, each in a transaction of its own, by one process at a time. A concurrent migrator waits
/// at the lock and then finds nothing left to do.
/// </summary>
internal static class Migrator
{
    /// <returns>The migrations that were applied.</returns>
    /// <exception cref="JobsException">The schema is newer than this program, or older and <paramref name="apply"/> is false.</exception>
    public static async Task<IReadOnlyList<string>> RunAsync(Database database, bool apply, CancellationToken ct)
    {
        var files = Statements.Files("Migrations/").ToList();
        var schema = database.Schema;
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        if (await VersionAsync(connection, schema, ct) == files.Count)
        {
            return [];
        }

        var applied = new List<string>();
        while (true)
        {
            await using var transaction = await connection.BeginTransactionAsync(ct);
            await ExecuteAsync(connection, $"select pg_advisory_xact_lock(hashtextextended('{schema}.migrate', 0))", ct);
            var version = await VersionAsync(connection, schema, ct);
            if (version > files.Count)
            {
                throw new JobsException($"Schema \"{schema}\" is at version {version}; this program knows {files.Count}. Deploy a program at least as new as the schema.");
            }

            if (version == files.Count)
            {
                return applied;
            }

            if (!apply)
            {
                throw new JobsException($"Schema \"{schema}\" is at version {version}, this program needs {files.Count}, and MigrateAtStart is off. Run `jobs migrate` first.");
            }

            var (name, text) = files[version];
            database.Log.Migrating(schema, name);
            await ExecuteAsync(connection, Step(schema, version + 1, name, text), ct);
            await transaction.CommitAsync(ct);
            applied.Add(name);
        }
    }

    /// <summary>All of one migration, whose last statement ends with its semicolon, and the note that it was done.</summary>
    internal static string Step(string schema, int version, string name, string text) => $"""
        create schema if not exists {schema};
        create table if not exists {schema}.migration (version integer primary key, name text not null, applied_at timestamptz not null default now());
        {Statements.InSchema(text, schema)}
        insert into {schema}.migration (version, name) values ({version}, '{name}');
        """;

    private static async Task<int> VersionAsync(NpgsqlConnection connection, string schema, CancellationToken ct)
    {
        // Not to_regclass: it may go by what this connection remembers from before it waited for the lock.
        await using var exists = new NpgsqlCommand($"select exists (select from pg_catalog.pg_tables where schemaname = '{schema}' and tablename = 'migration')", connection);
        if (!(bool)(await exists.ExecuteScalarAsync(ct))!)
        {
            return 0;
        }

        await using var version = new NpgsqlCommand($"select coalesce(max(version), 0) from {schema}.migration", connection);
        return (int)(await version.ExecuteScalarAsync(ct))!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 }; // an index on a long history takes what it takes
        await command.ExecuteNonQueryAsync(ct);
    }
}
