using System.Globalization;
using System.Text;
using Npgsql;
using NpgsqlTypes;

namespace Jobs.Tests.Faults;

/// <summary>
/// The promise, checked against what was seen from outside: the ids whose enqueue returned, and the handlers that started. Every acknowledged job is in history
/// exactly once, and what ran twice was in flight when something was killed.
/// </summary>
internal static class TheTruth
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    /// <param name="arena">Where it happened; nobody enqueues any more.</param>
    /// <param name="taken">Jobs that were taken from a living worker (a pause, a shutdown): they may have run twice, too.</param>
    /// <param name="failed">Jobs that were to end as failed.</param>
    public static async Task AssertAsync(Arena arena, int taken = 0, params IReadOnlyCollection<JobId> failed)
    {
        var (intended, acknowledged) = arena.Ledger.Read();
        await using var connection = await arena.Db.OpenConnectionAsync();
        await FillAsync(connection, $"{arena.Schema}.intended (n bigint)", intended, (row, n) => row.Write(n));
        await FillAsync(connection, $"{arena.Schema}.acked (n bigint, id uuid)", acknowledged, (row, a) => (row.Write(a.Key), row.Write(a.Value.Value)));
        await FillAsync(connection, $"{arena.Schema}.to_fail (id uuid)", failed, (row, id) => row.Write(id.Value));
        await using (var index = new NpgsqlCommand($"create index on {arena.Schema}.acked (id); analyze {arena.Schema}.acked", connection))
        {
            await index.ExecuteNonQueryAsync();
        }

        await Eventually.HoldsAsync("every job has ended", async () => await arena.CountAsync("jobs.job") == 0, Deadline, () => DescribeAsync(arena));
        await FillAsync(connection, $"{arena.Schema}.runs (id uuid, attempt integer, worker text, at timestamptz)", RunsOf(arena),
            (row, run) => (row.Write(run.Id), row.Write(run.Attempt), row.Write(run.Worker), row.Write(run.At)));

        var faults = new StringBuilder();
        foreach (var (what, query) in Rules)
        {
            var (count, example) = await FindAsync(connection, query.Replace("jobs.", arena.Schema + "."));
            if (count > 0)
            {
                faults.AppendLine($"{count} x {what}, for example {example}");
            }
        }

        var jobs = await arena.CountAsync("jobs.history");
        var reruns = await arena.AskAsync<long>("select count(*) - count(distinct id) from jobs.runs");
        await arena.SettleAsync();
        var allowed = arena.InFlight + taken;
        if (reruns > allowed)
        {
            faults.AppendLine($"{reruns} runs more than jobs, but only {allowed} were in flight when something was killed");
        }

        Assert.True(faults.Length == 0, $"{faults}\n{await DescribeAsync(arena)}");
        Tally.Add(jobs, reruns);
        arena.Say($"{jobs} jobs, {acknowledged.Count} of them acknowledged, {arena.Children.Count(c => c.WasKilled)} processes killed, {reruns} re-runs (at most {allowed})");
    }

    /// <summary>Each query finds what must not be.</summary>
    private static readonly (string What, string Query)[] Rules =
    [
        ("acknowledged but not in history", "select id::text from jobs.acked except all select id::text from jobs.history"),
        ("in history more than once", "select id::text from jobs.history group by id having count(*) > 1"),
        ("enqueued once but two jobs", "select args->>'n' from jobs.history group by 1 having count(*) > 1"),
        ("in history but never enqueued", "select args->>'n' from jobs.history except select n::text from jobs.intended"),
        ("ended in a state that it should not", """
            select h.id || ' ' || h.state || coalesce(h.errors::text, '') from jobs.history h left join jobs.to_fail f on f.id = h.id
            where h.state <> case when f.id is null then 'succeeded' else 'failed' end::jobs.state
            """),
        ("failed attempts although no handler fails", "select id || ' ' || coalesce(errors::text, '') from jobs.history where failures > 0"),
        ("in history but never run", "select id::text from jobs.history except select id::text from jobs.runs"),
        ("ran but not in history", "select id || ' by ' || worker from jobs.runs where id not in (select id from jobs.history)"),
        ("one attempt ran twice", "select id || ' attempt ' || attempt || ' by ' || string_agg(worker, ', ') from jobs.runs group by id, attempt having count(*) > 1"),
        ("its end is of an attempt that never ran", """
            select h.id || ' attempt ' || h.attempt from jobs.history h left join jobs.runs r on r.id = h.id and r.attempt = h.attempt
            where r.id is null and h.state = 'succeeded'
            """),
    ];

    private static async Task<(long Count, string? Example)> FindAsync(NpgsqlConnection connection, string query)
    {
        await using var command = new NpgsqlCommand($"select count(*), min(x.c) from ({query}) x (c)", connection) { CommandTimeout = 120 };
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return (reader.GetInt64(0), reader.IsDBNull(1) ? null : reader.GetString(1));
    }

    private static IEnumerable<(Guid Id, int Attempt, string Worker, DateTime At)> RunsOf(Arena arena) =>
        from child in arena.Children
        from line in LineFile.Read(child.Runs)
        let parts = line.Split(' ')
        select (Guid.Parse(parts[0]), int.Parse(parts[1], CultureInfo.InvariantCulture), child.Name, DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(parts[2])).UtcDateTime);

    private static async Task FillAsync<T>(NpgsqlConnection connection, string table, IEnumerable<T> rows, Func<Row, T, object> write)
    {
        var name = table[..table.IndexOf(' ')];
        await using (var create = new NpgsqlCommand($"drop table if exists {name}; create table {table}", connection))
        {
            await create.ExecuteNonQueryAsync();
        }

        await using var import = await connection.BeginBinaryImportAsync($"copy {name} from stdin (format binary)");
        foreach (var row in rows)
        {
            await import.StartRowAsync();
            write(new Row(import), row);
        }

        await import.CompleteAsync();
    }

    /// <summary>Where everything is, for whoever reads a failure.</summary>
    private static async Task<string> DescribeAsync(Arena arena)
    {
        var text = new StringBuilder($"logs: {arena.Folder}\n");
        foreach (var query in new[]
        {
            "select 'live: ' || queue || ' ' || state || ' ' || count(*) || ', oldest ticket ' || coalesce(now() - min(ticket_at), interval '0') from jobs.job group by queue, state",
            "select 'history: ' || state || ' ' || count(*) from jobs.history group by state",
            "select 'session: ' || host || ' ' || process_id || ' ' || array_to_string(roles, ',') || ' heartbeat ' || now() - heartbeat_at from jobs.session",
            "select 'queue: ' || row_to_json(q) from jobs.queue q",
            "select 'leader: ' || row_to_json(l) from jobs.leader l",
        })
        {
            await using var command = arena.Db.CreateCommand(query.Replace("jobs.", arena.Schema + "."));
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                text.AppendLine(reader.GetString(0));
            }
        }

        return text.AppendLine($"broker: {(await arena.Broker.DepthAsync())?.ToString() ?? "no queue, no"} tickets ready").ToString();
    }

    /// <summary>The binary copy writes types as they come; here they are spelled out.</summary>
    private readonly struct Row(NpgsqlBinaryImporter import)
    {
        public int Write(long value) => Write(value, NpgsqlDbType.Bigint);

        public int Write(int value) => Write(value, NpgsqlDbType.Integer);

        public int Write(Guid value) => Write(value, NpgsqlDbType.Uuid);

        public int Write(string value) => Write(value, NpgsqlDbType.Text);

        public int Write(DateTime value) => Write(value, NpgsqlDbType.TimestampTz);

        private int Write<T>(T value, NpgsqlDbType type)
        {
            import.Write(value, type);
            return 0;
        }
    }
}
