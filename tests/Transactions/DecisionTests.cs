using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Transactions;

/// <summary>Whatever is doubled, late, early, lost or decided by somebody else: one outcome.</summary>
public sealed class DecisionTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Doubled_late_and_early_answers_change_nothing()
    {
        await using var bank = await Bank.OpenAsync();
        var (prepare, commit) = (new TaskCompletionSource(), new TaskCompletionSource());
        bank.Script.On("prepare b", (_, ct) => Opened(prepare, ct)).On("commit b", (_, ct) => Opened(commit, ct));
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync(id, t => t.Branches[0].State == BranchState.Prepared, "a is prepared");
        await TellAllAsync(round: 2, branch: 2); // of what nobody has been asked yet
        await TellAllAsync(round: 1, branch: 1); // that one has answered
        await TellAllAsync(round: 1, branch: 3); // there is none
        await bank.TellAsync(TransactionId.New(), 1, 1, Answer.Refused);
        await bank.HeardAsync();
        prepare.SetResult();
        await bank.SeeAsync("commit b");
        await TellAllAsync(round: 1, branch: 2);
        await TellAllAsync(round: 1, branch: 1);
        await TellAllAsync(round: 3, branch: 2);
        await bank.TellAsync(id, 1, 2, Answer.Done);
        await bank.HeardAsync();
        var seen = await bank.SeeAsync(id, t => t.Branches[0].State == BranchState.Committed, "a is committed");
        Assert.Equal((TransactionState.Committing, BranchState.Committing), (seen.State, seen.Branches[1].State));
        commit.SetResult();
        Assert.Equal((TransactionState.Committed, null), (await bank.EndedAsync(id) is var ended ? (ended.State, ended.Reason) : default));
        Assert.Equal(["commit a", "commit b", "prepare a", "prepare b"], bank.Script.Words.Order(StringComparer.Ordinal));

        async Task TellAllAsync(int round, int branch)
        {
            foreach (var answer in new[] { Answer.Refused, Answer.Failed, Answer.Stuck, Answer.Done, Answer.Done })
            {
                await bank.TellAsync(id, branch, round, answer, "not true");
            }
        }
    }

    [Fact]
    public async Task The_first_decision_stands_whoever_wrote_it()
    {
        await using var bank = await Bank.OpenAsync();
        var open = new TaskCompletionSource();
        bank.Script.On("prepare b", (_, ct) => Opened(open, ct));
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        await bank.App.SqlAsync("insert into jobs.transaction_decision (transaction_id, decision, reason) values ($1, 'abort', 'by a reaper')", id.Value);
        open.SetResult();
        var ended = await bank.EndedAsync(id);
        Assert.Equal((TransactionState.Aborted, false, "by a reaper"), (ended.State, ended.Commit, ended.Reason));
        Assert.DoesNotContain(bank.Script.Calls, c => c.Verb == "commit");
    }

    [Fact]
    public async Task A_yes_after_the_deadline_comes_too_late()
    {
        await using var bank = await Bank.OpenAsync();
        var open = new TaskCompletionSource();
        bank.Script.On("prepare b", (_, _) => Opened(open, default)); // ignores its token
        var id = await bank.BeginAsync(TimeSpan.FromSeconds(1), "a", "b");
        var seen = await bank.SeeAsync(id, t => t.Branches[0].State == BranchState.Aborted, "a is aborted");
        Assert.Equal((TransactionState.Aborting, BranchState.Aborting), (seen.State, seen.Branches[1].State));
        Assert.DoesNotContain("abort b", bank.Script.Words);
        open.SetResult();
        Assert.Equal(TransactionState.Aborted, (await bank.EndedAsync(id)).State);
        Assert.Equal(["abort a", "abort b", "prepare a", "prepare b"], bank.Script.Words.Order(StringComparer.Ordinal));
        var (late, abort) = (bank.Script.Calls.Single(c => c.ToString() == "prepare b"), bank.Script.Calls.Single(c => c.ToString() == "abort b"));
        Assert.True(late.Context.Fence < abort.Context.Fence);
    }

    [Fact]
    public async Task Whose_answer_was_lost_is_asked_again()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", async (c, ct) =>
        {
            if (c.Fence >> 32 == 1)
            {
                await Task.Delay(Timeout.Infinite, ct);
            }

            return Vote.Yes;
        });
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        var job = (await bank.Transactions.GetAsync(id))!.Branches[1].Job!.Value;
        await bank.App.Operator.CancelAsync(new JobFilter { Ids = [job] }); // ends without a word to the coordinator
        await bank.App.InStateAsync(job, JobState.Cancelled);
        await bank.TickAsync(id);
        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(id)).State);
        Assert.Equal([1, 2], bank.Script.Calls.Where(c => c.ToString() == "prepare b").Select(c => c.Context.Fence >> 32));
        Assert.Single(bank.App.Log.Of(2100));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task The_watch_asks_again_by_itself()
    {
        await using var bank = await Bank.OpenAsync(t => t.WatchEvery = TimeSpan.FromMilliseconds(300));
        bank.Script.On("commit a", (c, ct) => c.Fence >> 32 == 2 ? Task.Delay(Timeout.Infinite, ct).ContinueWith(_ => Vote.Yes, ct, default, TaskScheduler.Default) : Task.FromResult(Vote.Yes));
        var id = await bank.BeginAsync("a");
        await bank.SeeAsync("commit a");
        await bank.App.Operator.CancelAsync(new JobFilter { Ids = [(await bank.Transactions.GetAsync(id))!.Branches[0].Job!.Value] });
        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(id)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task No_outcome_is_ever_mixed()
    {
        await using var bank = await Bank.OpenAsync();
        await bank.StartAsync();
        var random = new Random(7);
        var accounts = Enumerable.Range(0, 40).Select(n => (Names: new[] { $"{n}.0", $"{n}.1", $"{n}.2" }, No: random.Next(6))).ToList();
        foreach (var (names, no) in accounts)
        {
            for (var i = 0; i < names.Length; i++)
            {
                var vote = i == no ? Vote.No("no") : Vote.Yes;
                bank.Script.On($"prepare {names[i]}", async (c, _) =>
                {
                    await bank.TellAsync(c.Transaction, c.Branch, (int)(c.Fence >> 32), vote.IsYes ? Answer.Done : Answer.Refused); // so each answer comes twice
                    return vote;
                });
            }
        }

        var ids = await Task.WhenAll(accounts.Select(a => bank.BeginAsync(a.Names)));
        var ended = await Task.WhenAll(ids.Select(bank.EndedAsync));
        foreach (var (transaction, (names, no)) in ended.Zip(accounts))
        {
            var verb = no > 2 ? "commit" : "abort";
            Assert.Equal(no > 2 ? TransactionState.Committed : TransactionState.Aborted, transaction.State);
            Assert.Equal(names.Select(n => $"{verb} {n}"), bank.Script.Calls.Where(c => names.Contains(c.What) && c.Verb != "prepare").Select(c => c.ToString()).Distinct().Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task Of_two_coordinators_the_one_that_is_left_goes_on()
    {
        await using var bank = await Bank.OpenAsync();
        var other = await bank.StartAsync();
        var open = new TaskCompletionSource();
        bank.Script.On("prepare a", (_, _) => Opened(open, default));
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare a");
        await other.Services.GetRequiredService<Bus>().StopAsync(default);
        open.SetResult();
        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(id)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_turn_that_dies_in_the_middle_is_taken_again()
    {
        await using var bank = await Bank.OpenAsync(t => t.WatchEvery = TimeSpan.FromMinutes(10)); // so that nothing else mends it
        var open = new TaskCompletionSource();
        bank.Script.On("prepare a", (_, ct) => Opened(open, ct));
        var id = await bank.BeginAsync("a");
        await bank.SeeAsync("prepare a");
        await using var connection = await bank.App.ConnectAsync();
        await using (var hold = await connection.BeginTransactionAsync())
        {
            await using (var row = new Npgsql.NpgsqlCommand(bank.App.InSchema("select from jobs.transaction for update"), connection, hold))
            {
                await row.ExecuteNonQueryAsync();
            }

            open.SetResult();
            for (var kills = 0; kills < 3; kills++)
            {
                await Eventually.SeeAsync(() => bank.App.ScalarAsync<bool>(
                    $"select bool_or(pg_terminate_backend(pid)) from pg_stat_activity where query like '/* {bank.App.Schema}:lock_transaction */%' and wait_event_type = 'Lock'"), killed => killed, "a turn was killed");
            }

            await hold.RollbackAsync();
        }

        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(id)).State);
        Assert.Equal(["prepare a", "commit a"], bank.Script.Words);
    }

    private static async Task<Vote> Opened(TaskCompletionSource open, CancellationToken ct)
    {
        await open.Task.WaitAsync(ct);
        return Vote.Yes;
    }
}
