using Jobs.Transactions;
using Jobs.Tests.Engine;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Transactions;

/// <summary>What is there beside the plain way: fences, aborting by hand, wrong registrations, time.</summary>
public sealed class OperatorTests
{
    [Fact]
    public async Task A_call_with_a_lower_fence_does_not_pass()
    {
        await using var bank = await Bank.OpenAsync();
        var fence = bank.Host.Services.GetRequiredService<BranchFence>();
        var (id, other) = (TransactionId.New(), TransactionId.New());
        Assert.True(await PassAsync(id, 5));
        Assert.True(await PassAsync(id, 5));
        Assert.False(await PassAsync(id, 4));
        Assert.True(await PassAsync(other, 4));
        Assert.True(await PassAsync(id, 1L << 32));
        Assert.False(await PassAsync(id, 6));

        async Task<bool> PassAsync(TransactionId transaction, long number)
        {
            await using var connection = await bank.App.ConnectAsync();
            await using var own = await connection.BeginTransactionAsync();
            var passed = await fence.PassAsync(new BranchContext(transaction, 1, "bank.move", number, 1), own);
            await own.CommitAsync();
            return passed;
        }
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task An_undecided_transaction_can_be_aborted_and_a_decided_one_cannot()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return Vote.Yes;
        });
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        Assert.True(await bank.Transactions.AbortAsync(id, "by hand"));
        Assert.Equal((TransactionState.Aborted, "by hand"), await bank.EndedAsync(id) is var ended ? (ended.State, ended.Reason) : default);
        var done = await bank.BeginAsync("c");
        await bank.EndedAsync(done);
        Assert.False(await bank.Transactions.AbortAsync(done, "too late"));
        Assert.Equal(TransactionState.Committed, (await bank.Transactions.GetAsync(done))!.State);
    }

    [Fact]
    public async Task A_copy_of_a_branchs_job_that_an_operator_makes_does_nothing()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return Vote.Yes;
        });
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        var job = (await bank.Transactions.GetAsync(id))!.Branches[1].Job!.Value;
        await bank.App.Operator.CancelAsync(new JobFilter { Ids = [job] });
        await bank.App.InStateAsync(job, JobState.Cancelled);
        bank.Script.On("prepare b", _ => Vote.Yes);
        Assert.Equal(1, (await bank.App.Operator.RetryAsync(new JobFilter { Ids = [job] })).Done);
        await Eventually.SeeAsync(() => bank.App.ScalarAsync<long>("select count(*) from jobs.history where retry_of = $1 and state = 'succeeded'", job.Value), n => n == 1, "the copy has ended", bank.App.Log.Tail);
        Assert.Single(bank.Script.Words, w => w == "prepare b");
        await bank.TickAsync(id);
        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(id)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_parked_saga_can_be_aborted()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run b", (Func<BranchContext, Vote>)(_ => throw new InvalidOperationException("broken")));
        var id = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a")).Then(new Book("b"), new() { Forward = true, ParkAfter = 1 }));
        await bank.SeeAsync(id, t => t.State == TransactionState.Parked, "it is parked");
        await bank.Transactions.AbortAsync(id, "enough");
        Assert.Equal((TransactionState.Aborted, "enough"), await bank.EndedAsync(id) is var ended ? (ended.State, ended.Reason) : default);
        Assert.Equal(["run a", "run b", "undo b", "undo a"], bank.Script.Words);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_step_of_sagas_takes_no_part_in_two_phases()
    {
        await using var bank = await Bank.OpenAsync();
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(new TwoPhase("mixed").Add(new Move("a")).Add(new Book("b"))));
        Assert.Equal(TransactionState.Aborted, ended.State);
        Assert.Contains("\"trip.book\" has a step of sagas here", ended.Reason, StringComparison.Ordinal);
        Assert.Equal(["abort a", "prepare a"], bank.Script.Words.Order(StringComparer.Ordinal));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task The_deadline_comes_also_while_participants_hold_all_slots()
    {
        await using var bank = await Bank.OpenAsync();
        var accounts = Enumerable.Range(0, 20).Select(n => $"hangs {n}").ToList();
        accounts.ForEach(a => bank.Script.On($"prepare {a}", async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return Vote.Yes;
        }));
        var ended = await bank.EndedAsync(await bank.BeginAsync(TimeSpan.FromSeconds(2), [.. accounts]));
        Assert.Equal((TransactionState.Aborted, "It was not decided by its deadline."), (ended.State, ended.Reason));
    }

    [Fact]
    public async Task What_ended_is_kept_for_ninety_days()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SqlAsync("""
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, ended_at)
            select jobs.new_id(), 't', 'twoPhase', case when n = 3 then 'parked' else 'aborted' end, 16, now(), case when n in (1, 4) then now() - interval '91 days' when n = 2 then now() - interval '89 days' end from generate_series(1, 4) n;
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state) select id, 1, 1, 'k', 'q', '{}', true, 'aborted' from jobs.transaction;
            insert into jobs.transaction_decision (transaction_id, decision) select id, 'abort' from jobs.transaction;
            insert into jobs.branch_fence (key, fence) select id || '.1', 1 from jobs.transaction;
            """);
        await app.SchedulerAsync();
        foreach (var table in new[] { "transaction", "transaction_branch", "transaction_decision", "branch_fence" })
        {
            await Eventually.SeeAsync(() => app.ScalarAsync<long>($"select count(*) from jobs.{table}"), n => n == 2, $"only the young ones of {table} are left", app.Log.Tail);
        }
    }

    [Fact]
    public async Task Participants_without_a_worker_stop_the_start()
    {
        await using var app = await TestApp.CreateAsync();
        var refused = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() =>
            app.Build(b => b.AddTransactions(t => t.Participant<Move, MoveParticipant>()), services: s => s.AddSingleton(new Script())).StartAsync());
        Assert.Contains("add AddWorker", refused.Message, StringComparison.Ordinal);
        Assert.Contains("bank.move", Assert.Throws<InvalidOperationException>(() =>
            app.Build(b => b.AddTransactions(t => t.Participant<Move, MoveParticipant>().Participant<Move, MoveParticipant>()))).Message, StringComparison.Ordinal);
    }
}
