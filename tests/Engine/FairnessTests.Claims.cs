using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
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

    [Trait("Category", "Slow")]
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
        for (var round = 0; round < 24; round++)
        {
            var (weighted, kept) = (round % 2 == 1, round % 4 >= 2); // without any weights another statement finds the order; what was chosen is used up, or is always too old
            await app.SqlAsync("delete from jobs.job; delete from jobs.fair_weight; update jobs.fair_turn set value = '', rest = 0, chosen = 0, kept = 0, used = 0;");
            var waiting = new SortedDictionary<string, SortedSet<Guid>>(StringComparer.Ordinal);
            var weights = new Dictionary<string, int>();
            var ahead = new Queue<Turn>();
            var (last, rest) = ("", 0);
            for (var step = 0; step < 12; step++)
            {
                for (var n = random.Next(4); n > 0; n--)
                {
                    var value = ((char)('a' + random.Next(6))).ToString();
                    if (weights.TryAdd(value, weighted ? random.Next(1, 5) : 1) && weighted)
                    {
                        await app.Operator.SetFairWeightAsync(Queue, value, weights[value]);
                    }

                    var ids = Enumerable.Range(0, random.Next(1, 12)).Select(_ => JobId.New().Value).Order().ToArray();
                    await app.SqlAsync("insert into jobs.job (id, type, queue, priority, state, ticket_at, args, fair) select i, 'test.work', 'default', 16, 'queued', now(), '{}', $2 from unnest($1::uuid[]) i", ids, value);
                    waiting.TryAdd(value, []);
                    waiting[value].UnionWith(ids);
                }

                if (waiting.Values.SelectMany(v => v).ToArray() is { Length: > 0 } all && random.Next(3) == 0) // somebody else takes one
                {
                    var gone = all[random.Next(all.Length)];
                    await app.SqlAsync("delete from jobs.job where id = $1", gone);
                    waiting.Values.Single(v => v.Contains(gone)).Remove(gone);
                }

                if (step == 0 && round % 3 == 0) // the planner knows how few they are
                {
                    await app.SqlAsync("analyze jobs.job");
                }

                await app.SqlAsync("update jobs.fair_turn set chosen_at = case when $1 then timestamptz 'infinity' else '-infinity' end", kept);
                if (!kept)
                {
                    ahead.Clear();
                }

                var most = random.Next(1, 20);
                var (taken, _) = await TakeAsync(app, connection, most);
                if (waiting.Values.All(v => v.Count == 0))
                {
                    Assert.Empty(taken); // and what was chosen stays as it is
                    continue;
                }

                var left = await app.ScalarAsync<Guid[]?>("select a.ids[t.used + 1:] from jobs.fair_turn t join jobs.fair_ahead a using (line, priority) where t.used < t.kept") ?? [];
                var expected = new List<Guid>();
                while (expected.Count < most && ahead.TryDequeue(out var next))
                {
                    if (waiting[next.Value].Remove(next.Id))
                    {
                        expected.Add(next.Id);
                        (last, rest) = (next.Value, next.Rest);
                    }
                }

                if (expected.Count < most)
                {
                    var want = most - expected.Count;
                    ahead = new(Turns(waiting, weights, last, rest, want + left.Length));
                    for (; want > 0 && ahead.TryDequeue(out var next); want--)
                    {
                        waiting[next.Value].Remove(next.Id);
                        expected.Add(next.Id);
                        (last, rest) = (next.Value, next.Rest);
                    }
                }

                Assert.True(expected.SequenceEqual(taken), $"seed {seed}, round {round}, step {step}");
                Assert.True(ahead.Select(t => t.Id).SequenceEqual(left), $"ahead: seed {seed}, round {round}, step {step}");
                await app.SqlAsync("delete from jobs.job where id = any($1)", taken);
            }
        }
    }

    [Fact]
    public async Task What_was_chosen_ahead_is_used_by_claims_of_the_same_types_while_it_is_young_and_what_has_changed_is_passed_over()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 8);
        await EnqueueAsync(app, 'b', 8);
        await using var connection = await app.ConnectAsync();
        await TakeAndEndAsync("ab", "'{test.work}'"); // chooses two
        await app.SqlAsync("update jobs.fair_turn set chosen_at = 'infinity' where chosen > 0");
        await TakeAndEndAsync("ab", "'{test.work}'"); // chooses four: a b a b
        await app.SqlAsync("update jobs.fair_turn set chosen_at = 'infinity' where chosen > 0");
        await EnqueueAsync(app, 'c', 4);
        await app.SqlAsync("update jobs.job set state = 'scheduled', ticket_at = null, due_at = now() where id = (select min(id::text)::uuid from jobs.job where fair = 'a')");
        await TakeAndEndAsync("bca", "'{test.work}'");
        await app.SqlAsync("update jobs.fair_turn set chosen_at = 'infinity' where chosen > 0");
        await EnqueueAsync(app, 'B', 2);
        await TakeAndEndAsync("bcB", "'{test.work,test.other}'");

        async Task TakeAndEndAsync(string values, string types)
        {
            var (taken, order) = await TakeAsync(app, connection, values.Length, types);
            Assert.Equal(values, order);
            await app.SqlAsync("delete from jobs.job where id = any($1)", taken);
        }
    }

    [Fact]
    public async Task Claims_of_different_types_in_turn_choose_no_more_ahead_than_was_served()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 40);
        await using var connection = await app.ConnectAsync();
        for (var n = 0; n < 10; n++)
        {
            var (taken, _) = await TakeAsync(app, connection, 1, n % 2 == 0 ? "'{test.work}'" : "'{test.work,test.other}'");
            await app.SqlAsync("delete from jobs.job where id = any($1)", taken);
            await app.SqlAsync("update jobs.fair_turn set chosen_at = 'infinity' where chosen > 0");
        }

        Assert.Equal(1, await app.ScalarAsync<int>("select max(chosen) from jobs.fair_turn"));
    }

    [Fact]
    public async Task Expired_job_that_has_no_value_is_not_started_by_its_ticket()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 1);
        await app.Operator.SetFairnessAsync(Queue, null);
        var late = await app.Jobs.EnqueueAsync(new Work(1), new() { Expires = TimeSpan.FromHours(1) });
        await app.SqlAsync("update jobs.job set expires_at = now() where id = $1", late.Value);
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        var last = await app.Jobs.EnqueueAsync(new Work(2));
        await app.EndedAsync(last);
        Assert.Equal([0, 2], app.Runs.Select(r => r.Job.Number).Order());
        Assert.Equal(JobState.Queued, (await app.GetAsync(late)).State);
    }

    [Theory]
    [InlineData("rescued")]
    [InlineData("handed back")]
    public async Task Job_that_ran_when_its_queue_became_fair_has_its_value_when_it_waits_again(string how)
    {
        var session = Guid.NewGuid();
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(1, "a"));
        await app.ClaimAsync(session, id);
        await app.Operator.SetFairnessAsync(Queue, "text");
        Assert.Equal(1, how == "rescued" ? (await app.Repair.RescueIfOrphanedAsync(10, 3, default)).Count : (await app.Store.HandBackIfRunningAsync(session, [id.Value], default)).Count);
        Assert.Equal("a", await app.ScalarAsync<string?>("select fair from jobs.job where state = 'queued'"));
    }

    [Fact]
    public async Task Setting_that_was_made_anew_meanwhile_is_not_finished_by_the_one_before()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueAsync(new Work(1, "a"));
        await using var connection = await app.ConnectAsync();
        await using var hold = await connection.BeginTransactionAsync();
        await using (var row = new NpgsqlCommand(app.InSchema("select from jobs.job for update"), connection, hold))
        {
            await row.ExecuteNonQueryAsync();
        }

        var first = app.Operator.SetFairnessAsync(Queue, "text"); // waits for the job that it gives its value
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.fair_queue"), n => n == 1, "it is set", app.Log.Tail);
        await app.SqlAsync("select jobs.set_fairness('default', null)");
        await app.SqlAsync("select jobs.set_fairness('default', '{text}')"); // by somebody who has not gone through the jobs yet
        await hold.RollbackAsync();
        await first;
        Assert.False(await app.ScalarAsync<bool>("select passed from jobs.fair_queue"));
    }

    [Fact]
    public async Task Setting_that_was_made_anew_just_when_the_scheduler_had_gone_through_the_jobs_is_gone_through_once_more()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await app.SqlAsync("update jobs.fair_queue set set_at = now() - interval '1 minute'");
        var store = app.Build(_ => { }).Services.GetRequiredService<FairStore>();
        var (queue, setAt) = Assert.Single(await store.UnfilledAsync(default));
        await app.Operator.SetFairnessAsync(Queue, "number");
        await store.MarkFilledAsync(queue, setAt, default);
        Assert.False(await app.ScalarAsync<bool>("select filled from jobs.fair_queue"));
    }

    private sealed record Turn(Guid Id, string Value, int Rest);

    /// <summary>Who is served next, in order, by deficit round robin.</summary>
    private static List<Turn> Turns(SortedDictionary<string, SortedSet<Guid>> waiting, Dictionary<string, int> weights, string last, int rest, int most)
    {
        var left = waiting.ToDictionary(w => w.Key, w => new SortedSet<Guid>(w.Value));
        List<Turn> turns = [];
        while (turns.Count < most && left.Values.Any(q => q.Count > 0))
        {
            if (rest == 0 || !left.TryGetValue(last, out var own) || own.Count == 0)
            {
                last = left.Where(w => w.Value.Count > 0).Select(w => w.Key).OrderBy(k => string.CompareOrdinal(k, last) <= 0).ThenBy(k => k, StringComparer.Ordinal).First();
                rest = weights[last];
            }

            var id = left[last].Min;
            left[last].Remove(id);
            rest = left[last].Count == 0 ? 0 : rest - 1;
            turns.Add(new(id, last, rest));
        }

        return turns;
    }

    private static async Task<(Guid[] Ids, string Values)> TakeAsync(TestApp app, NpgsqlConnection connection, int most, string types = "'{test.work}'")
    {
        await using var command = new NpgsqlCommand(app.InSchema(
            $"select t.ids, (select string_agg(j.fair, '' order by array_position(t.ids, j.id)) from jobs.job j where j.id = any(t.ids)) from jobs.take_fair('default', 'queued', {types}, '{{}}', $1) t"), connection);
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
