using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

/// <summary>What ends prepared transactions that nobody ends, and what is checked before anything is prepared.</summary>
public sealed class PreparedReaperTests
{
    [Fact]
    public async Task Reaper_does_what_was_decided_and_leaves_what_is_not()
    {
        await using var ledger = await Ledger.CreateAsync();
        using var reaper = ledger.Reaper();
        var (commit, abort, unknown, open) = (await ledger.GidAsync(), await ledger.GidAsync(), await ledger.GidAsync(), await ledger.GidAsync());
        foreach (var (gid, n) in new[] { (commit, 1), (abort, 2), (unknown, 4), (open, 8) })
        {
            await ledger.SqlAsync("insert into account values ($1, $2)", gid.Value, (decimal)n);
            await ledger.Verbs.PrepareAsync(gid, async c =>
            {
                await using var command = new Npgsql.NpgsqlCommand("update account set balance = balance + 100 where name = $1", c) { Parameters = { new() { Value = gid.Value } } };
                await command.ExecuteNonQueryAsync();
                return Vote.Yes;
            }, default);
        }

        ledger.Decided.Decide(commit, Decision.Commit);
        ledger.Decided.Decide(abort, Decision.Abort);
        ledger.Decided.Decide(open, Decision.Open);
        Assert.Equal(3, await reaper.RunOnceAsync(default));
        Assert.Equal(0, await reaper.RunOnceAsync(default));
        Assert.Equal<decimal[]>([101, 2, 4, 8], await Task.WhenAll(new[] { commit, abort, unknown, open }.Select(g => ledger.ScalarAsync<decimal>("select balance from account where name = $1", g.Value))));
        Assert.Equal<bool[]>([false, false, false, true], await Task.WhenAll(new[] { commit, abort, unknown, open }.Select(ledger.IsPreparedAsync)));
        Assert.False((await ledger.Verbs.PrepareAsync(unknown, Ledger.WorkAsync, default)).IsYes); // rolled back with a tombstone

        ledger.Decided.Decide(open, Decision.Commit);
        Assert.Equal(1, await reaper.RunOnceAsync(default));
        Assert.Equal(108, await ledger.ScalarAsync<decimal>("select balance from account where name = $1", open.Value));
        Assert.Equal(4, ledger.Log.Of(2160).Count());
    }

    [Fact]
    public async Task Reaper_leaves_what_is_young_and_what_is_others()
    {
        await using var ledger = await Ledger.CreateAsync(configure: o => o.AskAfter = TimeSpan.FromHours(1));
        using var reaper = ledger.Reaper();
        var young = await ledger.GidAsync();
        await ledger.Verbs.PrepareAsync(young, Ledger.WorkAsync, default);
        Assert.Equal(0, await reaper.RunOnceAsync(default));
        Assert.True(await ledger.IsPreparedAsync(young));
        ledger.Database.Options.AskAfter = TimeSpan.Zero;
        var others = new BranchGid(young.Installation + "x", young.Transaction, 1);
        await ledger.Verbs.PrepareAsync(others, c => Task.FromResult(Vote.Yes), default);
        Assert.Equal(1, await reaper.RunOnceAsync(default));
        Assert.Equal((false, true), (await ledger.IsPreparedAsync(young), await ledger.IsPreparedAsync(others)));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_is_prepared_for_long_is_logged_as_an_error_with_its_name()
    {
        await using var ledger = await Ledger.CreateAsync();
        using var reaper = ledger.Reaper();
        var gid = await ledger.GidAsync();
        ledger.Decided.Decide(gid, Decision.Open);
        await ledger.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default);
        await reaper.RunOnceAsync(default);
        Assert.Empty(ledger.Log.Of(2161));
        ledger.Database.Options.AlertAfter = TimeSpan.Zero;
        await reaper.RunOnceAsync(default);
        Assert.Contains(gid.Value, Assert.Single(ledger.Log.Of(2161)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Branches_are_remembered_until_they_are_old_and_their_transaction_has_ended()
    {
        await using var ledger = await Ledger.CreateAsync();
        using var reaper = ledger.Reaper();
        var (young, ended, parked) = (await ledger.GidAsync(), await ledger.GidAsync(), await ledger.GidAsync());
        foreach (var gid in new[] { young, ended, parked })
        {
            await ledger.Verbs.AbortAsync(gid, default);
        }

        await ledger.SqlAsync("update jobs_participant.branch set at = at - interval '8 days' where gid <> $1", young.Value);
        ledger.Decided.Decide(ended, Decision.Abort, ended: true);
        ledger.Decided.Decide(parked, Decision.Abort);
        await reaper.RunOnceAsync(default);
        Assert.Equal(2, await ledger.ScalarAsync<long>("select count(*) from jobs_participant.branch where gid in ($1, $2)", young.Value, parked.Value));
        Assert.Equal(2, await ledger.ScalarAsync<long>("select count(*) from jobs_participant.branch"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Server_that_cannot_prepare_enough_is_refused_at_start_with_value_and_remedy()
    {
        await using var ledger = await Ledger.CreateAsync();
        var database = ledger.Open(new ParticipantDatabaseOptions { PreparedTransactions = 100_000 });
        var error = await Assert.ThrowsAsync<JobsException>(() => database.ReadyAsync(default));
        Assert.Contains("max_prepared_transactions", error.Message, StringComparison.Ordinal);
        Assert.Contains("100000", error.Message, StringComparison.Ordinal);
        Assert.Contains("postgresql.conf", error.Message, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Two_installations_of_one_name_do_not_share_a_database()
    {
        await using var ledger = await Ledger.CreateAsync();
        await ledger.Database.ReadyAsync(default);
        await ledger.Open(new ParticipantDatabaseOptions()).ReadyAsync(default); // another process of the same
        var other = ledger.Open(new ParticipantDatabaseOptions(), new Decided { Name = ledger.Decided.Name, Origin = "another time" });
        Assert.Contains("another installation", (await Assert.ThrowsAsync<JobsException>(() => other.ReadyAsync(default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Database_without_the_tables_is_refused_where_they_are_not_to_be_created_and_those_of_the_page_will_do()
    {
        await using var ledger = await Ledger.CreateAsync(configure: o => o.CreateTables = false);
        await Assert.ThrowsAsync<JobsException>(() => ledger.Database.ReadyAsync(default));
        await ledger.SqlAsync(await DocumentedTablesAsync());
        var gid = await ledger.GidAsync();
        await ledger.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default);
        await ledger.Verbs.AbortAsync(gid, default);
    }

    /// <summary>The statements of the page for those who create the tables by hand.</summary>
    private static async Task<string> DocumentedTablesAsync()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "Jobs.sln")))
        {
            root = root.Parent!;
        }

        var page = await File.ReadAllTextAsync(Path.Combine(root.FullName, "docs", "TRANSACTIONS_POSTGRES.md"));
        var from = page.IndexOf("create schema jobs_participant", StringComparison.Ordinal);
        return page[from..page.IndexOf("```", from, StringComparison.Ordinal)];
    }

    [Theory]
    [InlineData("jobs:a:01900000-0000-7000-8000-000000000001:1", true)]
    [InlineData("jobs:a:01900000-0000-7000-8000-00000000000A:1", false)]
    [InlineData("jobs:a:01900000-0000-7000-8000-000000000001:01", false)]
    [InlineData("jobs:a:01900000-0000-7000-8000-000000000001:-1", false)]
    [InlineData("jobs:a:01900000-0000-7000-8000-000000000001:0", false)]
    [InlineData("jobs:a'b:01900000-0000-7000-8000-000000000001:1", false)]
    [InlineData("jobs:a:b:01900000-0000-7000-8000-000000000001:1", false)]
    public void Gids_are_read_only_as_they_are_written(string text, bool ours)
    {
        Assert.Equal(ours, BranchGid.TryParse(text, out var gid));
        Assert.Equal(ours ? text : null, gid?.Value);
    }

    [Fact]
    public void Gid_of_parts_that_would_end_its_literal_is_refused() =>
        Assert.Contains("letters, digits", Assert.Throws<ArgumentException>(() => new BranchGid("a'; drop table account; --", Guid.CreateVersion7(), 1)).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Statement_of_a_participant_votes_by_the_rows_that_it_changes()
    {
        await using var ledger = await Ledger.CreateAsync();
        var participant = new DebitParticipant(ledger.Database);
        var (rich, poor) = (Context(), Context());
        Assert.True((await participant.PrepareAsync(new Debit("ann", 60), rich, default)).IsYes);
        Assert.Equal("too little", (await participant.PrepareAsync(new Debit("bob", 101), poor, default)).Reason);
        await participant.CommitAsync(new Debit("ann", 60), rich, default);
        await participant.AbortAsync(new Debit("bob", 101), poor, default);
        Assert.Equal((40, 100), (await ledger.AnnAsync(), await ledger.ScalarAsync<decimal>("select balance from account where name = 'bob'")));
        Assert.Contains("@Sum", Assert.Throws<ArgumentException>(() => new WrongParticipant(ledger.Database)).Message, StringComparison.Ordinal);
    }

    private static BranchContext Context() => new(TransactionId.New(), 1, "test.debit", 1, 1);

    private sealed class DebitParticipant(ParticipantDatabase ledger) : SqlParticipant<Debit>(ledger,
        "update account set balance = balance - @Amount where name = @Account and balance >= @Amount and '@Other' <> ''", "too little");

    private sealed class WrongParticipant(ParticipantDatabase ledger) : SqlParticipant<Debit>(ledger, "update account set balance = @Sum", "-");
}
