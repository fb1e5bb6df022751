using System.Text.Json;
using System.Text.RegularExpressions;
using Jobs.Postgres;
using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>Plans are kept as long as a connection. One that was made while next to nothing waited must do when 100,000 jobs do: no statement that runs jobs may read more of them than it is about.</summary>
public sealed partial class PlanTests
{
    /// <summary>These are about all live jobs, or all of a queue, or stop early along an index.</summary>
    private static readonly string[] AboutMany =
    [
        "audit_gates", "audit_live", "audit_queued", "count_queues", "doctor_queues", "explain_limit", "explain_turn", "list_gates", "measure_live", "next_due", "oldest_tickets", "rescue_if_orphaned",
    ];

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task No_statement_that_runs_jobs_reads_all_of_them_whatever_the_planner_believes_of_their_number(int jobs)
    {
        await using var app = await TestApp.CreateAsync();
        await FillAsync(app, 1, jobs);
        await app.SqlAsync("vacuum analyze jobs.job");
        await using var connection = await app.Database.Source.OpenConnectionAsync();
        List<string> reading = [];
        var planned = 0;
        foreach (var (name, _) in Statements.Files("Sql/"))
        {
            var sql = app.Database.Sql[name];
            if (!Plannable().IsMatch(sql) || Search().IsMatch(sql)) // what an operator searches for is not known here
            {
                continue;
            }

            var parameters = Parameter().Matches(sql).Select(m => int.Parse(m.Groups["number"].ValueSpan)).DefaultIfEmpty().Max();
            await RunAsync(connection, $"prepare planned as {sql}");
            var plan = await TextAsync(connection, "explain (format json) execute planned" + (parameters == 0 ? "" : $"({string.Join(", ", Enumerable.Repeat("null", parameters))})"));
            await RunAsync(connection, "deallocate planned");
            planned++;
            using var json = JsonDocument.Parse(plan);
            if (Nodes(json.RootElement[0].GetProperty("Plan")).Any(ReadsAll))
            {
                reading.Add(name);
            }
        }

        Assert.True(planned > 100, $"{planned} statements were planned");
        Assert.Empty(reading.Except(AboutMany));
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("insert into jobs.limit_rule (name, queue, slots, counts, origin) values ('few', 'default', 1000, true, 'test')")]
    [InlineData("insert into jobs.limit_rule (name, queue, slots, counts, origin) values ('few', 'default', 4, true, 'test')")]
    [InlineData("insert into jobs.limit_rule (name, queue, key, slots, counts, origin) values ('few', 'default', '{text}', 4, true, 'test')")]
    [InlineData("insert into jobs.limit_rule (name, queue, key, slots, counts, origin) values ('few', 'default', '{text}', 4, true, 'test'), ('all', 'default', null, 8, true, 'test')")]
    [InlineData("select jobs.set_fairness('default', '{text}')")]
    [InlineData("select jobs.set_fairness('default', '{text}'); insert into jobs.limit_rule (name, queue, slots, counts, origin) values ('few', 'default', 4, true, 'test')")]
    public async Task Claim_where_limits_apply_reads_no_more_jobs_than_it_is_about_though_it_was_planned_when_there_were_none(string setting)
    {
        const int Waiting = 3000, Tickets = 10;
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync(setting);
        await FillAsync(app, 1, 3);
        await app.SqlAsync("vacuum analyze jobs.job");
        await using var connection = await app.Database.Source.OpenConnectionAsync();
        await ClaimAsync(0); // plans
        await FillAsync(app, 4, Waiting);
        for (var claim = 1; claim <= 5; claim++)
        {
            Assert.InRange(await ClaimAsync(claim * 100), 1, 10 * Tickets);
        }

        Assert.NotEqual(0, await app.ScalarAsync<long>("select count(*) from jobs.job where state = 'running'"));

        async Task<long> ClaimAsync(int from)
        {
            await using var transaction = await connection.BeginTransactionAsync();
            var before = await ReadAsync();
            await RunAsync(connection, app.InSchema(
                $"select jobs.claim_limited(gen_random_uuid(), (select array_agg(lpad(to_hex(i), 32, '0')::uuid) from generate_series({from + 1}, {from + Tickets}) i), array_fill(1, array[{Tickets}]), 'default', '{{test.work}}', 0.1)"));
            var read = await ReadAsync() - before;
            await transaction.CommitAsync();
            return read;
        }

        async Task<long> ReadAsync() => long.Parse(await TextAsync(connection,
            $"select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::text from pg_stat_xact_user_tables where schemaname = '{app.Schema}' and relname = 'job'"));
    }

    private static bool ReadsAll(JsonElement node) =>
        node.TryGetProperty("Relation Name", out var table) && table.GetString() == "job" && node.GetProperty("Node Type").GetString() is { } type && type.Contains("Scan", StringComparison.Ordinal)
            && !node.TryGetProperty("Index Cond", out _) && !node.TryGetProperty("TID Cond", out _) && type != "Bitmap Heap Scan";

    private static IEnumerable<JsonElement> Nodes(JsonElement node) =>
        node.TryGetProperty("Plans", out var inner) ? inner.EnumerateArray().SelectMany(Nodes).Prepend(node) : [node];

    /// <summary>Jobs with the ids 1 and so on, of seven values of their text.</summary>
    private static Task FillAsync(TestApp app, int from, int count) => app.SqlAsync(
        """
        insert into jobs.job (id, type, queue, priority, state, ticket_at, args, fair)
        select lpad(to_hex(i), 32, '0')::uuid, 'test.work', 'default', 16, 'queued', now(), json_build_object('text', 'v' || i % 7), case when exists (select from jobs.fair_queue) then 'v' || i % 7 end
        from generate_series($1, $2) i
        """, from, from + count - 1);

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<string> TextAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (string)(await command.ExecuteScalarAsync())!;
    }

    [GeneratedRegex(@"\{(live|ended|reach)\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Search();

    [GeneratedRegex(@"^/\*.*?\*/ (select|with|insert|update|delete|merge)\b", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Plannable();

    [GeneratedRegex(@"\$(?<number>\d+)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Parameter();
}
