using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

/// <summary>Messages of one transaction that come together are heard in one turn, and none depends on the others for being heard.</summary>
public sealed class SharedTurnTests
{
    private const int Tries = 20;

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Votes_that_come_together_are_one_commit()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare a", Hang).On("prepare b", Hang).On("prepare c", Hang);
        var together = false;
        for (var n = 0; n < Tries && !together; n++) // whether the second vote is there before the first has its row is up to the broker; most times it is
        {
            var id = await bank.BeginAsync("a", "b", "c");
            await HeldAsync(bank, id, () => [bank.TellAsync(id, 1, 1, Answer.Done), bank.TellAsync(id, 2, 1, Answer.Done)]);
            await bank.SeeAsync(id, t => t.Branches.Count(b => b.State == BranchState.Prepared) == 2, "both votes were heard");
            together = await bank.App.ScalarAsync<long>("select count(distinct xmin::text) from jobs.transaction_branch where transaction_id = $1 and state = 'prepared'", id.Value) == 1;
        }

        Assert.True(together, $"Votes that came together were a commit each, {Tries} times.");
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Message_that_cannot_be_written_takes_no_other_one_along()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare a", Hang).On("prepare b", Hang).On("prepare c", Hang);
        for (var n = 0; n < 4; n++)
        {
            var id = await bank.BeginAsync("a", "b", "c");
            await HeldAsync(bank, id, () => [bank.TellAsync(id, 1, 1, Answer.Done, "Postgres takes no \0"), bank.TellAsync(id, 2, 1, Answer.Done), bank.TellAsync(id, 3, 1, Answer.Done)]);
            var seen = await bank.SeeAsync(id, t => t.Branches.Count(b => b.State == BranchState.Prepared) == 2, "the other votes were heard");
            Assert.Equal(BranchState.Preparing, seen.Branches[0].State);
        }
    }

    /// <summary>Sends while another session holds the transaction, and lets it go when all is with the coordinator, of which one turn waits.</summary>
    private static async Task HeldAsync(Bank bank, TransactionId id, Func<Task[]> send)
    {
        await using var connection = await bank.App.ConnectAsync();
        await using var hold = await connection.BeginTransactionAsync();
        await using (var row = new Npgsql.NpgsqlCommand(bank.App.InSchema("select from jobs.transaction where id = $1 for update"), connection, hold) { Parameters = { new() { Value = id.Value } } })
        {
            await row.ExecuteNonQueryAsync();
        }

        await Task.WhenAll(send());
        await bank.HeardAsync();
        await Eventually.SeeAsync(() => bank.App.ScalarAsync<bool>(
            $"select exists (select from pg_stat_activity where query like '/* {bank.App.Schema}:lock_transaction */%' and wait_event_type = 'Lock')"), waits => waits, "a turn waits");
        await hold.RollbackAsync();
    }

    private static async Task<Vote> Hang(BranchContext context, CancellationToken ct)
    {
        await Task.Delay(Timeout.Infinite, ct);
        return Vote.Yes;
    }
}
