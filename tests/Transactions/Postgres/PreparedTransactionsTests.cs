using Jobs.Transactions;
using Npgsql;

namespace Jobs.Tests.Transactions;

/// <summary>The verbs, each repeated, and in the orders that crashes and zombies bring about.</summary>
public sealed class PreparedTransactionsTests
{
    [Fact]
    public async Task What_is_prepared_is_seen_by_nobody_until_it_is_committed_and_each_verb_may_be_repeated()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        var works = 0;
        for (var n = 0; n < 2; n++)
        {
            Assert.True((await ledger.Verbs.PrepareAsync(gid, c => { works++; return Ledger.WorkAsync(c); }, default)).IsYes);
            Assert.Equal((100, true), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid)));
        }

        for (var n = 0; n < 2; n++)
        {
            await ledger.Verbs.CommitAsync(gid, default);
            Assert.Equal((90, false), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid)));
        }

        Assert.True((await ledger.Verbs.PrepareAsync(gid, c => { works++; return Ledger.WorkAsync(c); }, default)).IsYes); // a delivery from long ago
        Assert.Equal((90, false, 1), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid), works));
    }

    [Fact]
    public async Task Abort_undoes_what_is_prepared_and_may_be_repeated_and_come_without_a_prepare()
    {
        await using var ledger = await Ledger.CreateAsync();
        var (gid, never) = (await ledger.GidAsync(), await ledger.GidAsync());
        await ledger.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default);
        for (var n = 0; n < 2; n++)
        {
            await ledger.Verbs.AbortAsync(gid, default);
            await ledger.Verbs.AbortAsync(never, default);
            Assert.Equal((100, false), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid)));
        }
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Prepare_whose_process_died_before_it_voted_says_yes_when_repeated_and_commits()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        await using (var other = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ledger.ConnectionString) { Pooling = false }))
        {
            await new PreparedTransactions(other, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance).PrepareAsync(gid, Ledger.WorkAsync, default);
        }

        Assert.True((await ledger.Verbs.PrepareAsync(gid, _ => throw new InvalidOperationException("done twice"), default)).IsYes);
        await ledger.Verbs.CommitAsync(gid, default);
        Assert.Equal(90, await ledger.AnnAsync());
    }

    [Fact]
    public async Task Prepare_after_the_abort_votes_no_and_leaves_nothing()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        await ledger.Verbs.AbortAsync(gid, default);
        Assert.False((await ledger.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default)).IsYes);
        Assert.Equal((100, false), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid)));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Abort_that_meets_a_prepare_at_work_ends_only_when_that_cannot_stay_prepared()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        var (working, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var zombie = ledger.Verbs.PrepareAsync(gid, async c =>
        {
            var vote = await Ledger.WorkAsync(c);
            working.SetResult();
            await goOn.Task;
            return vote;
        }, default);
        await working.Task.InTimeAsync();
        var abort = ledger.Verbs.AbortAsync(gid, default);
        await ledger.SomebodyWaitsAsync();
        Assert.False(abort.IsCompleted);
        goOn.SetResult();
        await zombie.InTimeAsync();
        await abort.InTimeAsync();
        Assert.Equal((100, false), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid)));
        Assert.False((await ledger.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default)).IsYes);
    }

    [Fact]
    public async Task Zombie_that_looked_before_the_abort_and_works_after_it_is_refused()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        await using var holder = await ledger.Source.OpenConnectionAsync();
        await using var held = await holder.BeginTransactionAsync();
        await using (var bury = new NpgsqlCommand("insert into jobs_participant.branch (gid, aborted_at) values ($1, now())", holder) { Parameters = { new NpgsqlParameter { Value = gid.Value } } })
        {
            await bury.ExecuteNonQueryAsync(); // an abort that has not committed: the prepare's look sees nothing
        }

        var zombie = ledger.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default);
        await ledger.SomebodyWaitsAsync();
        await held.CommitAsync();
        Assert.False((await zombie.InTimeAsync()).IsYes);
        Assert.Equal((100, false), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid)));
    }

    [Fact]
    public async Task Two_tries_of_one_prepare_do_the_work_once()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        var (working, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var first = ledger.Verbs.PrepareAsync(gid, async c =>
        {
            working.SetResult();
            await goOn.Task;
            return await Ledger.WorkAsync(c);
        }, default);
        await working.Task.InTimeAsync();
        var second = ledger.Verbs.PrepareAsync(gid, _ => throw new InvalidOperationException("done twice"), default);
        await ledger.SomebodyWaitsAsync();
        goOn.SetResult();
        Assert.Equal((true, true), ((await first.InTimeAsync()).IsYes, (await second.InTimeAsync()).IsYes));
        await ledger.Verbs.CommitAsync(gid, default);
        Assert.Equal(90, await ledger.AnnAsync());
    }

    [Fact]
    public async Task No_and_an_exception_leave_nothing_and_a_repetition_starts_anew()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        var vote = await ledger.Verbs.PrepareAsync(gid, async c => { await Ledger.WorkAsync(c); return Vote.No("not today"); }, default);
        Assert.Equal("not today", vote.Reason);
        await Assert.ThrowsAsync<InvalidOperationException>(() => ledger.Verbs.PrepareAsync(gid, async c => { await Ledger.WorkAsync(c); throw new InvalidOperationException("broken"); }, default));
        Assert.Equal((100, false, 0L), (await ledger.AnnAsync(), await ledger.IsPreparedAsync(gid), await ledger.ScalarAsync<long>("select count(*) from jobs_participant.branch")));
        Assert.True((await ledger.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default)).IsYes);
    }

    [Fact]
    public async Task Yes_after_an_error_that_was_swallowed_or_a_commit_of_its_own_is_an_error_and_not_a_yes_for_nothing()
    {
        await using var ledger = await Ledger.CreateAsync();
        var gid = await ledger.GidAsync();
        var swallowed = await Assert.ThrowsAsync<JobsException>(() => ledger.Verbs.PrepareAsync(gid, async c =>
        {
            await using var wrong = new NpgsqlCommand("update account set balance = -1", c);
            await Assert.ThrowsAsync<PostgresException>(() => wrong.ExecuteNonQueryAsync());
            return Vote.Yes;
        }, default));
        Assert.Contains("savepoint", swallowed.Message, StringComparison.Ordinal);
        var ended = await Assert.ThrowsAsync<JobsException>(() => ledger.Verbs.PrepareAsync(gid, async c =>
        {
            await using var rollback = new NpgsqlCommand("rollback", c);
            await rollback.ExecuteNonQueryAsync();
            return Vote.Yes;
        }, default));
        Assert.Contains("ended the transaction", ended.Message, StringComparison.Ordinal);
        Assert.False(await ledger.IsPreparedAsync(gid));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Commit_of_what_somebody_took_away_and_abort_of_what_somebody_committed_are_errors()
    {
        await using var ledger = await Ledger.CreateAsync();
        var (lost, made) = (await ledger.GidAsync(), await ledger.GidAsync());
        await ledger.Verbs.PrepareAsync(lost, Ledger.WorkAsync, default);
        await ledger.SqlAsync($"rollback prepared {lost.Literal}");
        Assert.Contains("no trace", (await Assert.ThrowsAsync<JobsException>(() => ledger.Verbs.CommitAsync(lost, default))).Message, StringComparison.Ordinal);
        await ledger.Verbs.PrepareAsync(made, Ledger.WorkAsync, default);
        await ledger.SqlAsync($"commit prepared {made.Literal}");
        await Assert.ThrowsAsync<JobsException>(() => ledger.Verbs.AbortAsync(made, default));
        Assert.Equal((1, 1), (ledger.Log.Of(2154).Count(), ledger.Log.Of(2155).Count()));
    }

    [Fact]
    public async Task Two_databases_of_one_server_never_mix_their_branches()
    {
        var decided = new Decided();
        await using var one = await Ledger.CreateAsync(decided);
        await using var two = await Ledger.CreateAsync(decided);
        var first = await one.GidAsync();
        var second = new BranchGid(first.Installation, first.Transaction, 2);
        await two.Database.ReadyAsync(default);
        await one.Verbs.PrepareAsync(first, Ledger.WorkAsync, default);
        await two.Verbs.PrepareAsync(second, Ledger.WorkAsync, default);
        await Assert.ThrowsAsync<PostgresException>(() => two.Verbs.CommitAsync(first, default)); // asked in the wrong place
        await Assert.ThrowsAsync<PostgresException>(() => two.Verbs.AbortAsync(first, default));
        var twice = await Assert.ThrowsAsync<JobsException>(() => two.Verbs.PrepareAsync(first, _ => Task.FromResult(Vote.Yes), default));
        Assert.Contains("another database", twice.Message, StringComparison.Ordinal);
        await one.Verbs.CommitAsync(first, default);
        await two.Verbs.AbortAsync(second, default);
        Assert.Equal((90, 100), (await one.AnnAsync(), await two.AnnAsync()));
        Assert.Equal((false, false), (await one.IsPreparedAsync(first), await two.IsPreparedAsync(second)));
    }
}
