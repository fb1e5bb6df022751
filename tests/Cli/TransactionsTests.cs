using System.Text.Json;
using Jobs.Tests.Engine;
using Jobs.Tests.Transactions;
using Jobs.Transactions;

namespace Jobs.Tests.Cli;

/// <summary>`jobs transactions`, beside the process in which they run.</summary>
public sealed class TransactionsTests
{
    [Fact]
    public async Task What_is_in_doubt_parked_overdue_or_untold_stands_out_and_nothing_else()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            insert into jobs.transaction (id, name, mode, state, priority, created_at, deadline_at, decided_at, ended_at, reason)
            select ('0192d9a0-0000-7000-8000-00000000000' || n)::uuid, name, mode, state, 16, now() - age, now() + due, case when state = 'aborted' then now() end, case when state = 'aborted' then now() end, reason
            from (values
              (1, 'doubtful', 'twoPhase', 'running', interval '10 minutes', interval '1 hour', null),
              (2, 'fresh', 'twoPhase', 'running', interval '10 seconds', interval '1 hour', null),
              (3, 'parked', 'saga', 'parked', interval '3 hours', interval '-1 hour', null),
              (4, 'overdue', 'saga', 'running', interval '3 hours', interval '-2 minutes', null),
              (5, 'untold', 'twoPhase', 'running', interval '10 minutes', interval '-2 minutes', null),
              (6, 'gone', 'twoPhase', 'aborted', interval '10 minutes', interval '-2 minutes', 'Branch 1 (k.a): no')) v (n, name, mode, state, age, due, reason);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, round, voted_at)
            select t.id, n, 1, case n when 1 then 'k.a' else 'k.b' end, 'q', '{}', true,
              case when t.name = 'parked' and n = 2 then 'parked' when t.name = 'gone' then 'aborted' when n = 1 then 'prepared' else 'preparing' end, 1,
              case when t.name = 'doubtful' then now() - interval '2 minutes' when t.name = 'fresh' then now() - interval '30 seconds' else now() end
            from jobs.transaction t cross join generate_series(1, 2) n;
            insert into jobs.transaction_decision (transaction_id, decision, reason) values ('0192d9a0-0000-7000-8000-000000000005', 'abort', 'late'), ('0192d9a0-0000-7000-8000-000000000006', 'abort', 'no')
            """);
        var all = await app.JsonAsync("transactions", "list");
        Assert.Equal(["gone -", "untold untold", "overdue overdue", "parked parked", "fresh -", "doubtful inDoubt"], all.EnumerateArray().Select(Word));
        Assert.Equal(["id", "name", "mode", "state", "standsOut", "decision", "reason", "createdAt", "deadlineAt", "decidedAt", "endedAt", "inDoubtSince", "branches", "awaited", "parked"], Answer.Names(all[0]));
        Assert.Equal((2, 1, "[2]"), (all[3].GetProperty("branches").GetInt32(), all[3].GetProperty("awaited").GetInt32(), all[3].GetProperty("parked").GetRawText()));

        Assert.Equal(["doubtful"], await NamesAsync("--in-doubt", "60s"));
        Assert.Equal(["fresh", "doubtful"], await NamesAsync("--in-doubt", "10s"));
        Assert.Equal(["parked"], await NamesAsync("--state", "parked"));
        Assert.Equal(["untold", "overdue", "parked", "fresh", "doubtful"], await NamesAsync("--live"));
        Assert.Equal(["overdue", "parked"], await NamesAsync("--older", "1h"));
        Assert.Equal(["overdue", "parked"], await NamesAsync("--mode", "SAGA"));
        Assert.Equal(["gone"], await NamesAsync("--name", "gone"));
        Assert.Equal(6, (await NamesAsync("--kind", "k.b")).Count);
        Assert.Empty(await NamesAsync("--kind", "k.c"));

        var people = await app.RunAsync("transactions", "list", "--limit", "4");
        Assert.Equal(0, people.Exit);
        foreach (var words in new[] { "PARKED: branch 2", "OVERDUE by 2", "NOT TOLD: it is decided to abort", "took " })
        {
            Assert.Contains(words, people.Out, StringComparison.Ordinal);
        }

        Assert.Equal("next page: jobs transactions list --limit 4 --below 0192d9a0-0000-7000-8000-000000000003\n", people.Error);
        Assert.Equal(["fresh", "doubtful"], await NamesAsync("--limit", "4", "--below", "0192d9a0-0000-7000-8000-000000000003"));
        Assert.Contains("IN DOUBT for ", (await app.RunAsync("transactions", "list")).Out, StringComparison.Ordinal);

        async Task<List<string>> NamesAsync(params string[] filter) => [.. (await app.JsonAsync(["transactions", "list", .. filter])).EnumerateArray().Select(t => t.GetProperty("name").GetString()!)];
    }

    [Fact]
    public async Task Story_names_each_branch_its_job_its_vote_and_the_end()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", _ => Vote.No("The account is closed."));
        var id = await bank.BeginAsync("a", "b");
        await bank.EndedAsync(id);
        var seen = await bank.App.JsonAsync("transactions", "get", $"{id}");
        Assert.Equal(["id", "name", "mode", "state", "decision", "reason", "createdAt", "deadlineAt", "decidedAt", "endedAt", "awaited", "branches", "orders", "story"], Answer.Names(seen));
        Assert.Equal(("aborted", "abort", "Branch 2 (bank.move): The account is closed."), (Text(seen, "state"), Text(seen, "decision"), Text(seen, "reason")));
        var branch = seen.GetProperty("branches")[0];
        Assert.Equal(["number", "stage", "kind", "state", "reason", "round", "job", "jobState", "askedAt", "votedAt", "endedAt", "payload"], Answer.Names(branch));
        Assert.Equal(("bank.move", "aborted", "a"), (Text(branch, "kind"), Text(branch, "state"), Text(branch.GetProperty("payload"), "account")));
        Assert.NotEqual(Guid.Empty, branch.GetProperty("job").GetGuid());
        Assert.Equal(0, seen.GetProperty("awaited").GetArrayLength());
        var story = seen.GetProperty("story").EnumerateArray().Select(s => Text(s, "what")!).ToList();
        Assert.Equal("begun", story[0]);
        Assert.Contains("no", story);
        Assert.Equal("ended", story[^1]);
        var people = await bank.App.RunAsync("transactions", "get", $"{id}");
        Assert.Equal((0, ""), (people.Exit, people.Error));
        Assert.Contains("branch 2 (bank.move) said no", people.Out, StringComparison.Ordinal);
        Assert.Contains("decided to abort: Branch 2 (bank.move): The account is closed.", people.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Undecided_is_aborted_with_who_and_why_and_decided_is_not()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return Vote.Yes;
        });
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        var waiting = await bank.App.RunAsync("transactions", "get", $"{id}");
        Assert.Contains("branch 2 (bank.move), preparing for ", waiting.Out, StringComparison.Ordinal);
        Assert.True((await bank.App.JsonAsync("transactions", "abort", $"{id}", "--dry-run")).GetProperty("aborted").GetBoolean());
        Assert.Null((await bank.Transactions.GetAsync(id))!.Commit);

        var answer = await bank.App.JsonAsync("transactions", "abort", $"{id}", "--by", "anna", "--reason", "wrong account");
        Assert.Equal(["dryRun", "id", "aborted", "already"], Answer.Names(answer));
        Assert.Equal((true, false), (answer.GetProperty("aborted").GetBoolean(), answer.GetProperty("already").GetBoolean()));
        Assert.Equal((TransactionState.Aborted, "wrong account (aborted by anna)"), await bank.EndedAsync(id) is var ended ? (ended.State, ended.Reason) : default);
        var order = (await bank.App.JsonAsync("transactions", "get", $"{id}")).GetProperty("orders")[0];
        Assert.Equal(("abort", "anna", "wrong account"), (Text(order, "verb"), Text(order, "by"), Text(order, "reason")));
        Assert.True((await bank.App.JsonAsync("transactions", "abort", $"{id}")).GetProperty("already").GetBoolean());

        var done = await bank.BeginAsync("c");
        await bank.EndedAsync(done);
        var late = await bank.App.RunAsync("transactions", "abort", $"{done}");
        Assert.Equal(1, late.Exit);
        Assert.Contains("it was decided before that it commits", late.Out, StringComparison.Ordinal);
        Assert.Equal(1, await bank.App.ScalarAsync<long>("select count(*) from jobs.transaction_order"));
    }

    [Fact]
    public async Task Parked_branches_are_tried_again_one_or_all_and_one_is_resolved()
    {
        await using var bank = await Bank.OpenAsync();
        var mended = false;
        foreach (var step in new[] { "a", "b" })
        {
            bank.Script.On($"run {step}", _ => mended ? Vote.Yes : throw new InvalidOperationException("out of order"));
        }

        var stubborn = new StepOptions { Forward = true, ParkAfter = 1 };
        var id = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a"), stubborn).And(new Book("b"), stubborn).Then(new Book("c")));
        await ParkedAsync(2);
        var people = await bank.App.RunAsync("transactions", "get", $"{id}");
        Assert.Contains($"branch 1 (trip.book), parked", people.Out, StringComparison.Ordinal);
        Assert.Contains($"jobs transactions retry-branch {id} 1, or resolve", people.Out, StringComparison.Ordinal);
        Assert.Contains("failed too often and is parked: System.InvalidOperationException: out of order", people.Out, StringComparison.Ordinal);

        Assert.Equal("[1,2]", (await bank.App.JsonAsync("transactions", "retry-branch", $"{id}", "--dry-run")).GetProperty("branches").GetRawText());
        Assert.Equal(0, await bank.App.ScalarAsync<long>("select count(*) from jobs.transaction_order"));
        Assert.Equal("[2]", (await bank.App.JsonAsync("transactions", "retry-branch", $"{id}", "2", "--reason", "try")).GetProperty("branches").GetRawText());
        await bank.SeeAsync(id, t => t.Branches[1].AskedAt > t.CreatedAt && t.State == TransactionState.Parked, "branch 2 is parked again");
        Assert.Equal(["run a", "run b", "run b"], bank.Script.Words.Order(StringComparer.Ordinal));

        var counts = await bank.App.JsonAsync("transactions", "resolve", $"{id}", "1", "--by", "anna", "--reason", "booked by phone");
        Assert.Equal(["dryRun", "id", "branch", "countsAs"], Answer.Names(counts));
        Assert.Equal("run", Text(counts, "countsAs"));
        await bank.SeeAsync(id, t => t.Branches[0].State == BranchState.Prepared, "branch 1 counts as run");
        mended = true;
        await ParkedAsync(1);
        Assert.Equal("[2]", (await bank.App.JsonAsync("transactions", "retry-branch", $"{id}")).GetProperty("branches").GetRawText());
        Assert.Equal((TransactionState.Committed, "booked by phone"), await bank.EndedAsync(id) is var ended ? (ended.State, ended.Branches[0].Reason) : default);
        var orders = (await bank.App.JsonAsync("transactions", "get", $"{id}")).GetProperty("orders").EnumerateArray().ToList();
        Assert.Equal(["retry 2", "settle 1", "retry 2"], orders.Select(o => $"{Text(o, "verb")} {o.GetProperty("branch")}"));
        Assert.All(orders, o => Assert.NotEqual(JsonValueKind.Null, o.GetProperty("toldAt").ValueKind));
        Assert.Equal(1, (await bank.App.RunAsync("transactions", "retry-branch", $"{id}")).Exit);

        Task ParkedAsync(int count) => bank.SeeAsync(id, t => t.State == TransactionState.Parked && t.Branches.Count(b => b.State == BranchState.Parked) == count, $"{count} are parked");
    }

    [Fact]
    public async Task Without_a_broker_all_is_seen_and_a_decision_is_written()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at) values ('0192d9a0-0000-7000-8000-000000000001', 't', 'twoPhase', 'running', 16, now() + interval '1 hour');
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state) select id, 1, 1, 'k', 'q', '{}', true, 'preparing' from jobs.transaction
            """);
        Assert.Equal((0, ""), await app.RunWithoutBrokerAsync("transactions", "list") is var list ? (list.Exit, list.Error) : default);
        var abort = await app.RunWithoutBrokerAsync("transactions", "abort", "0192d9a0-0000-7000-8000-000000000001", "--json");
        Assert.Equal(0, abort.Exit);
        Assert.True(abort.Json.GetProperty("aborted").GetBoolean());
        Assert.StartsWith("warning: RabbitMQ cannot be reached", abort.Error, StringComparison.Ordinal);
        Assert.Equal("abort", await app.ScalarAsync<string>("select decision from jobs.transaction_decision"));
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.job where type = 'transaction.watch' and queue = 'transactions.watch' and state = 'queued'"));
    }

    [Fact]
    public async Task Wrong_values_are_named_and_change_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at) values ('0192d9a0-0000-7000-8000-000000000001', 't', 'saga', 'running', 16, now() + interval '1 hour');
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state) select id, 1, 1, 'k', 'q', '{}', true, 'preparing' from jobs.transaction
            """);
        const string id = "0192d9a0-0000-7000-8000-000000000001";
        await app.RefusedAsync("The state \"stuck\" does not exist; use one of running,", "transactions", "list", "--state", "stuck");
        await app.RefusedAsync("The mode \"threePhase\" does not exist", "transactions", "list", "--mode", "threePhase");
        await app.RefusedAsync("The limit 0 is not allowed; use 1 to 1000", "transactions", "list", "--limit", "0");
        await app.RefusedAsync("\"long\" is not allowed", "transactions", "list", "--older", "long");
        await app.RefusedAsync("abort needs ID", "transactions", "abort");
        await app.RefusedAsync("Unknown command \"abrot\"; did you mean abort?", "transactions", "abrot", id);
        await app.RefusedAsync("What was done by hand?", "transactions", "resolve", id, "1");
        await app.RefusedAsync("The reason has 2001 characters", "transactions", "abort", id, "--reason", new string('x', 2001));
        await app.RefusedAsync("The name of who does it has 201 characters", "transactions", "abort", id, "--by", new string('x', 201));

        await FailedAsync("There is no transaction 0192d9a0-0000-7000-8000-000000000009 in schema", "transactions", "get", "0192d9a0-0000-7000-8000-000000000009");
        await FailedAsync("There is no transaction", "transactions", "abort", "0192d9a0-0000-7000-8000-000000000009");
        await FailedAsync($"Branch 1 of transaction {id} is not parked, but preparing", "transactions", "resolve", id, "1", "--reason", "r");
        await FailedAsync("has no branch 2; it has 1", "transactions", "retry-branch", id, "2");
        Assert.Equal((0, 0), (await app.ScalarAsync<long>("select count(*) from jobs.transaction_order"), await app.LiveAsync()));

        async Task FailedAsync(string text, params string[] arguments)
        {
            var answer = await app.RunAsync([.. arguments, "--json"]);
            Assert.Equal(1, answer.Exit);
            Assert.Contains(text, answer.Json.GetProperty("error").GetString(), StringComparison.Ordinal);
        }
    }

    private static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();

    private static string Word(JsonElement t) => $"{Text(t, "name")} {Text(t, "standsOut") ?? "-"}";
}
