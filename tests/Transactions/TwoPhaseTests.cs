using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

public sealed class TwoPhaseTests
{
    [Fact]
    public async Task All_say_yes_and_all_commit()
    {
        await using var bank = await Bank.OpenAsync();
        var id = await bank.BeginAsync("a", "b", "c");
        var ended = await bank.EndedAsync(id);
        Assert.Equal((TransactionState.Committed, true), (ended.State, ended.Commit));
        Assert.Equal(["commit a", "commit b", "commit c", "prepare a", "prepare b", "prepare c"], bank.Script.Words.Order(StringComparer.Ordinal));
        Assert.All(ended.Branches, b =>
        {
            Assert.Equal(BranchState.Committed, b.State);
            Assert.True(b.VotedAt <= ended.DecidedAt && ended.DecidedAt <= b.EndedAt && b.EndedAt <= ended.EndedAt);
        });
        var calls = bank.Script.Calls.Where(c => c.What == "a").ToList();
        Assert.True(calls[0].Context.Fence < calls[1].Context.Fence);
        Assert.Equal(calls[0].Context.IdempotencyKey, calls[1].Context.IdempotencyKey);
        Assert.Equal((id, 1, "bank.move"), (calls[0].Context.Transaction, calls[0].Context.Branch, calls[0].Context.Kind));
    }

    [Fact]
    public async Task One_no_aborts_all()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", _ => Vote.No("The account is closed."));
        var ended = await bank.EndedAsync(await bank.BeginAsync("a", "b", "c"));
        Assert.Equal((TransactionState.Aborted, false), (ended.State, ended.Commit));
        Assert.Equal("Branch 2 (bank.move): The account is closed.", ended.Reason);
        Assert.All(ended.Branches, b => Assert.Equal(BranchState.Aborted, b.State));
        Assert.DoesNotContain(bank.Script.Calls, c => c.Verb == "commit");
        Assert.Equal(["abort a", "abort b", "abort c"], bank.Script.Words.Where(w => w.StartsWith("abort", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Nobody_commits_before_the_last_yes()
    {
        await using var bank = await Bank.OpenAsync();
        var open = new TaskCompletionSource();
        bank.Script.On("prepare b", async (_, ct) =>
        {
            await open.Task.WaitAsync(ct);
            return Vote.Yes;
        });
        var id = await bank.BeginAsync("a", "b");
        var seen = await bank.SeeAsync(id, t => t.Branches[0].State == BranchState.Prepared, "a is prepared");
        await bank.TickAsync(id);
        await bank.HeardAsync();
        Assert.Equal((TransactionState.Running, null), (seen.State, seen.Commit));
        Assert.Equal([2], seen.Awaited.Select(b => b.Number));
        Assert.DoesNotContain(bank.Script.Calls, c => c.Verb == "commit");
        var late = await Assert.ThrowsAsync<TimeoutException>(() => bank.Transactions.WaitAsync(id, TimeSpan.Zero));
        Assert.Contains("branch 2 (bank.move, preparing)", late.Message, StringComparison.Ordinal);
        open.SetResult();
        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(id)).State);
    }

    [Fact]
    public async Task Undecided_at_its_deadline_it_is_aborted_and_abort_waits_for_the_end_of_prepare()
    {
        await using var bank = await Bank.OpenAsync();
        var order = new List<string>();
        bank.Script.On("prepare b", async (_, ct) =>
        {
            try
            {
                await Task.Delay(Timeout.Infinite, ct);
            }
            finally
            {
                order.Add("prepare ended");
            }

            return Vote.Yes;
        }).On("abort b", _ =>
        {
            order.Add("abort began");
            return Vote.Yes;
        });
        var ended = await bank.EndedAsync(await bank.BeginAsync(TimeSpan.FromSeconds(1), "a", "b"));
        Assert.Equal((TransactionState.Aborted, "It was not decided by its deadline."), (ended.State, ended.Reason));
        Assert.Equal(["prepare ended", "abort began"], order);
        Assert.DoesNotContain(bank.Script.Calls, c => c.Verb == "commit");
    }

    [Fact]
    public async Task Commit_is_tried_until_it_succeeds()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("commit b", c => c.Attempt < 5 ? throw new InvalidOperationException("not yet") : Vote.Yes);
        var ended = await bank.EndedAsync(await bank.BeginAsync("a", "b"));
        Assert.Equal(TransactionState.Committed, ended.State);
        var fences = bank.Script.Calls.Where(c => c.ToString() == "commit b").Select(c => c.Context.Fence).ToList();
        Assert.Equal(5, fences.Count);
        Assert.Equal(fences.Distinct().Order(), fences);
    }

    [Fact]
    public async Task In_an_own_transaction_it_begins_with_the_commit_and_not_without()
    {
        await using var bank = await Bank.OpenAsync();
        await using var connection = await bank.App.ConnectAsync();
        TransactionId gone, kept;
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            gone = await bank.Transactions.BeginAsync(new TwoPhase("transfer").Add(new Move("gone")), transaction);
            await transaction.RollbackAsync();
        }

        await using (var transaction = await connection.BeginTransactionAsync())
        {
            kept = await bank.Transactions.BeginAsync(new TwoPhase("transfer").Add(new Move("kept")), transaction);
            Assert.Null(await bank.Transactions.GetAsync(kept));
            await transaction.CommitAsync();
        }

        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(kept)).State);
        Assert.Null(await bank.Transactions.GetAsync(gone));
        Assert.Equal(["prepare kept", "commit kept"], bank.Script.Words);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Begun_twice_with_one_id_it_is_one_transaction()
    {
        await using var bank = await Bank.OpenAsync();
        var id = TransactionId.New();
        TwoPhase Plan() => (TwoPhase)new TwoPhase("transfer") { Id = id }.Add(new Move("a"));
        await bank.Transactions.BeginAsync(Plan());
        await bank.Transactions.BeginAsync(Plan());
        await bank.EndedAsync(id);
        await bank.Transactions.BeginAsync(Plan());
        Assert.Equal(["prepare a", "commit a"], bank.Script.Words);
    }
}
