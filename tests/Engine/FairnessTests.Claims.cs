using Npgsql;

namespace Jobs.Tests.Engine;

/// <content>What a claim of a fair queue takes, statement by statement.</content>
public sealed partial class FairnessTests
{
    [Fact]
    public async Task Two_claims_at_one_moment_take_different_jobs_and_neither_waits_for_the_other()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 6);
        await EnqueueAsync(app, 'b', 2);
        await using var one = await app.ConnectAsync();
        await using var transaction = await one.BeginTransactionAsync();
        var first = await TakeAsync(app, one, 3);
        await using var two = await app.ConnectAsync();
        Assert.Equal("aba", first.Values);
        var second = await TakeAsync(app, two, 10);
        Assert.Equal("baaaa", second.Values);
        Assert.Empty(first.Ids.Intersect(second.Ids));
    }

    [Fact]
    public async Task Claim_whose_answer_is_lost_and_that_commits_only_while_it_is_repeated_runs_its_jobs()
    {
        await using var app = await TestApp.CreateAsync();
        await using var wire = new Wire(app.Servers.Postgres);
        await app.Operator.SetFairnessAsync(Queue, "text");
        await app.WorkerAsync(Runs.Done, options: o => o.Postgres = wire.ConnectionString);
        await EnqueueAsync(app, 'a', 1);
        await app.AllEndedAsync(1); // from here on it claims as fair queues are claimed
        await app.SqlAsync("""
            create function jobs.hold() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared(hashtext('jobs.job')); return new; end $$;
            create trigger hold before update on jobs.job for each row when (new.state = 'running') execute function jobs.hold();
            """);
        await using var holder = await app.ConnectAsync();
        await using (var transaction = await holder.BeginTransactionAsync())
        {
            await using var hold = new NpgsqlCommand(app.InSchema("select pg_advisory_xact_lock(hashtext('jobs.job'))"), holder, transaction);
            await hold.ExecuteNonQueryAsync();
            await EnqueueAsync(app, 'a', 1, from: 1);
            wire.Cut(Assert.Single(await WaitingAsync(app, 1)));
            await WaitingAsync(app, 2);
        }

        await app.AllEndedAsync(2);
        Assert.Equal([0, 1], app.Runs.Select(r => r.Job.Number));
        Assert.All(app.Runs, r => Assert.Equal(1, r.Context.Attempt));
    }

    [Fact]
    public async Task Job_whose_enqueue_was_under_way_when_its_queue_became_fair_runs_when_the_others_have()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 3);
        await app.SqlAsync("update jobs.job set fair = null where args ->> 'number' = '0'"); // as a snapshot from before wrote it
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(3);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Order_is_that_of_deficit_round_robin_for_any_values_weights_and_sizes_of_claims()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        await using var connection = await app.ConnectAsync();
        for (var round = 0; round < 12; round++)
        {
            await app.SqlAsync("delete from jobs.job; delete from jobs.fair_weight; update jobs.fair_turn set value = '', rest = 0;");
            var waiting = new SortedDictionary<string, SortedSet<Guid>>(StringComparer.Ordinal);
            var weights = new Dictionary<string, int>();
            var (last, rest) = ("", 0);
            for (var step = 0; step < 12; step++)
            {
                for (var n = random.Next(4); n > 0; n--)
                {
                    var value = ((char)('a' + random.Next(6))).ToString();
                    if (weights.TryAdd(value, round % 2 == 0 ? 1 : random.Next(1, 5)) && round % 2 == 1) // without any weights another statement finds the order
                    {
                        await app.Operator.SetFairWeightAsync(Queue, value, weights[value]);
                    }

                    var ids = Enumerable.Range(0, random.Next(1, 12)).Select(_ => JobId.New().Value).Order().ToArray();
                    await app.SqlAsync("insert into jobs.job (id, type, queue, priority, state, ticket_at, args, fair) select i, 'test.work', 'default', 16, 'queued', now(), '{}', $2 from unnest($1::uuid[]) i", ids, value);
                    waiting.TryAdd(value, []);
                    foreach (var id in ids)
                    {
                        waiting[value].Add(id);
                    }
                }

                var most = random.Next(1, 20);
                var expected = new List<Guid>();
                while (expected.Count < most && waiting.Values.Any(q => q.Count > 0))
                {
                    if (rest == 0 || !waiting.TryGetValue(last, out var own) || own.Count == 0)
                    {
                        last = waiting.Where(w => w.Value.Count > 0).Select(w => w.Key).OrderBy(k => string.CompareOrdinal(k, last) <= 0).ThenBy(k => k, StringComparer.Ordinal).First();
                        rest = weights[last];
                    }

                    expected.Add(waiting[last].Min);
                    waiting[last].Remove(expected[^1]);
                    rest = waiting[last].Count == 0 ? 0 : rest - 1;
                }

                var (taken, _) = await TakeAsync(app, connection, most);
                Assert.True(expected.SequenceEqual(taken), $"seed {seed}, round {round}, step {step}");
                await app.SqlAsync("delete from jobs.job where id = any($1)", taken);
            }
        }
    }

    private static async Task<(Guid[] Ids, string Values)> TakeAsync(TestApp app, NpgsqlConnection connection, int most)
    {
        await using var command = new NpgsqlCommand(app.InSchema(
            "select t.ids, (select string_agg(j.fair, '' order by array_position(t.ids, j.id)) from jobs.job j where j.id = any(t.ids)) from jobs.take_fair('default', 'queued', '{test.work}', '{}', $1) t"), connection);
        command.Parameters.Add(new NpgsqlParameter { Value = most });
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return (reader.GetFieldValue<Guid[]>(0), reader.IsDBNull(1) ? "" : reader.GetString(1));
    }

    /// <summary>Where from those connections come whose claim waits for a lock.</summary>
    private static Task<int[]> WaitingAsync(TestApp app, int count) => Eventually.SeeAsync(
        async () => await app.ScalarAsync<int[]?>(
            $"select array_agg(client_port) from pg_stat_activity where wait_event_type = 'Lock' and query like '/* {app.Schema}:claim_limited */%'") ?? [],
        ports => ports.Length == count, $"{count} claims wait", app.Log.Tail);
}
