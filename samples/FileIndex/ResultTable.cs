using Jobs;
using Npgsql;

namespace FileIndex;

/// <summary>The app's own tables, beside those of the platform: what was found, and every run of a handler.</summary>
internal sealed class ResultTable : IAsyncDisposable
{
    private readonly NpgsqlDataSource _database = Open(Servers.Schema);

    /// <summary>Connections to the demo's schema.</summary>
    public static NpgsqlDataSource Open(string schema) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Servers.Postgres) { SearchPath = schema, MaxAutoPrepare = 10, AutoPrepareMinUsages = 2 });

    public static async Task CreateAsync(NpgsqlDataSource database, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            create table file_result (path text primary key, sha256 text not null, size bigint not null, lines bigint not null, content_type text not null, job uuid not null);
            create table file_run (job uuid not null, attempt integer not null, process_id integer not null, path text not null, began_at timestamptz not null default now());
            """);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>A handler begins. More than one run of a job shows that it was run again.</summary>
    public async Task NoteRunAsync(string path, JobContext context, CancellationToken ct)
    {
        await using var command = _database.CreateCommand("insert into file_run (job, attempt, process_id, path) values ($1, $2, $3, $4)");
        command.Parameters.Add(new() { Value = context.Id.Value });
        command.Parameters.Add(new() { Value = context.Attempt });
        command.Parameters.Add(new() { Value = Environment.ProcessId });
        command.Parameters.Add(new() { Value = path });
        await command.ExecuteNonQueryAsync(ct);
    }

    public async Task StoreAsync(string path, FileFacts facts, JobContext context, CancellationToken ct)
    {
        await using var command = _database.CreateCommand("""
            insert into file_result (path, sha256, size, lines, content_type, job) values ($1, $2, $3, $4, $5, $6)
            on conflict (path) do update set
              sha256 = excluded.sha256, size = excluded.size, lines = excluded.lines, content_type = excluded.content_type, job = excluded.job
            """);
        command.Parameters.Add(new() { Value = path });
        command.Parameters.Add(new() { Value = facts.Sha256 });
        command.Parameters.Add(new() { Value = facts.Size });
        command.Parameters.Add(new() { Value = facts.Lines });
        command.Parameters.Add(new() { Value = facts.ContentType });
        command.Parameters.Add(new() { Value = context.Id.Value });
        await command.ExecuteNonQueryAsync(ct);
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();
}
