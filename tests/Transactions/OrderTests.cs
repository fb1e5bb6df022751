using Jobs.Postgres;
using RabbitMQ.Client;
using Jobs.Tests.Engine;
using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Transactions;

/// <summary>What operators order and see, when it comes late, twice, or while the coordinator is at work.</summary>
public sealed class OrderTests
{
    [Fact]
    public async Task Whoever_decides_from_outside_does_not_wait_for_a_coordinator_that_waits_for_him()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", Hang);
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        var store = bank.Host.Services.GetRequiredService<TransactionStore>();
        await using var connection = await bank.App.ConnectAsync();
        await using var turn = await connection.BeginTransactionAsync();
        Assert.NotNull(await store.LockAsync(id.Value, turn, default));
        Assert.True(await bank.Transactions.AbortAsync(id, "by hand").WaitAsync(Eventually.Patience));
        Assert.Equal(("abort", "by hand"), await store.DecideIfUndecidedAsync(id.Value, "commit", null, turn, default));
        await turn.CommitAsync();
        Assert.Equal(TransactionState.Aborted, (await bank.EndedAsync(id)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task The_time_for_which_it_was_parked_does_not_count()
    {
        await using var bank = await Bank.OpenAsync();
        var (mended, open) = (false, new TaskCompletionSource());
        bank.Script.On("run a", _ => mended ? Vote.Yes : throw new InvalidOperationException("broken")).On("run b", async (_, ct) =>
        {
            await open.Task.WaitAsync(ct);
            return Vote.Yes;
        });
        var id = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a"), new() { Forward = true, ParkAfter = 1 }).Then(new Book("b")));
        await bank.SeeAsync(id, t => t.State == TransactionState.Parked, "it is parked");
        await bank.App.SqlAsync("update jobs.transaction set deadline_at = now() - interval '1 hour'; update jobs.transaction_branch set voted_at = now() - interval '2 hours' where state = 'parked'");
        mended = true;
        await bank.Transactions.RetryAsync(id);
        await bank.SeeAsync("run b");
        await bank.TickAsync(id);
        await bank.HeardAsync();
        open.SetResult();
        Assert.Equal(TransactionState.Committed, (await bank.EndedAsync(id)).State);
    }

    [Fact]
    public async Task An_order_that_comes_late_or_twice_is_void()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run b", _ => Vote.No("no")).On("undo a", (Func<BranchContext, Vote>)(_ => throw new InvalidOperationException("no refunds")));
        var id = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a"), new() { ParkAfter = 1 }).Then(new Book("b")));
        await bank.SeeAsync(id, t => t.State == TransactionState.Parked, "it is parked");
        var round = await bank.App.ScalarAsync<int>("select round from jobs.transaction_branch where number = 1");
        await bank.Transactions.RetryAsync(id);
        await bank.SeeAsync(id, t => bank.Script.Words.Count(w => w == "undo a") == 2 && t.State == TransactionState.Parked, "it is parked again");
        await bank.Bus.SendAsync(new TransactionOrdered(id.Value, 1, "refunded by hand", round), default);
        await bank.Bus.SendAsync(new TransactionOrdered(id.Value, 1, null, round), default);
        await bank.HeardAsync();
        Assert.Equal((TransactionState.Parked, 2), ((await bank.Transactions.GetAsync(id))!.State, bank.Script.Words.Count(w => w == "undo a")));
        await bank.Transactions.SettleAsync(id, 1, "refunded by hand");
        Assert.Equal((TransactionState.Aborted, "refunded by hand"), await bank.EndedAsync(id) is var ended ? (ended.State, ended.Branches[0].Reason) : default);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_waits_to_look_after_a_transaction_is_gone_when_that_has_ended(bool refused)
    {
        await using var bank = await Bank.OpenAsync();
        var (asked, open) = (new TaskCompletionSource(), new TaskCompletionSource());
        bank.Script.On("prepare b", async (_, ct) =>
        {
            asked.TrySetResult();
            await open.Task.WaitAsync(ct);
            return refused ? Vote.No("no") : Vote.Yes;
        });
        var id = await bank.BeginAsync("a", "b");
        await asked.Task.WaitAsync(Eventually.Patience);
        Assert.Equal("scheduled", await bank.App.ScalarAsync<string>("select j.state::text from jobs.transaction t join jobs.job j on j.id = t.watch where t.id = $1", id.Value));
        open.SetResult();
        Assert.Equal(refused ? TransactionState.Aborted : TransactionState.Committed, (await bank.EndedAsync(id)).State);
        await Eventually.SeeAsync(bank.App.LiveAsync, n => n == 0, "nothing is live");
        Assert.Equal(0, await bank.App.ScalarAsync<long>("select count(*) from jobs.history where type = 'transaction.watch'")); // it has not looked in vain
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task An_order_whose_message_was_lost_is_told_again_a_minute_later()
    {
        await using var bank = await Bank.OpenAsync(t => t.WatchEvery = TimeSpan.FromMilliseconds(50));
        bank.Script.On("run b", _ => Vote.No("no")).On("undo a", (Func<BranchContext, Vote>)(_ => throw new InvalidOperationException("no refunds")));
        var id = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a"), new() { ParkAfter = 1 }).Then(new Book("b")));
        await bank.SeeAsync(id, t => t.State == TransactionState.Parked, "it is parked");
        await bank.App.SqlAsync("insert into jobs.transaction_order (transaction_id, verb, branch, round, by, told_at) select transaction_id, 'retry', number, round, 'anna', now() from jobs.transaction_branch where state = 'parked'");
        var looks = await LooksAsync();
        await Eventually.SeeAsync(LooksAsync, n => n > looks + 1, "the watch has looked", bank.App.Log.Tail);
        await bank.HeardAsync();
        Assert.Single(bank.Script.Words, w => w == "undo a");

        await bank.App.SqlAsync("update jobs.transaction_order set told_at = told_at - interval '1 minute'");
        await bank.SeeAsync(id, t => bank.Script.Words.Count(w => w == "undo a") == 2 && t.State == TransactionState.Parked, "it is tried again and parked");
        Assert.True(await bank.App.ScalarAsync<bool>("select told_at > now() - interval '1 minute' from jobs.transaction_order"));
        await bank.App.SqlAsync("update jobs.transaction_order set told_at = told_at - interval '1 minute'"); // by now it is of an earlier round
        looks = await LooksAsync();
        await Eventually.SeeAsync(LooksAsync, n => n > looks + 1, "the watch has looked", bank.App.Log.Tail);
        await bank.HeardAsync();
        Assert.Equal(2, bank.Script.Words.Count(w => w == "undo a"));

        Task<int> LooksAsync() => bank.App.ScalarAsync<int>("select attempt from jobs.job where type = 'transaction.watch'");
    }

    [Fact]
    public async Task A_second_abort_tells_of_the_first_of_which_no_coordinator_has_heard()
    {
        await using var bank = await Bank.OpenAsync(t => t.WatchEvery = TimeSpan.FromMinutes(10)); // so that nothing else tells of it
        bank.Script.On("prepare b", Hang);
        var id = await bank.BeginAsync(TimeSpan.FromHours(1), "a", "b");
        await bank.SeeAsync("prepare b");
        await bank.App.SqlAsync("insert into jobs.transaction_decision (transaction_id, decision, reason) values ($1, 'abort', 'by whoever died then')", id.Value);
        Assert.True(await bank.Transactions.AbortAsync(id, "by hand"));
        Assert.Equal((TransactionState.Aborted, "by whoever died then"), await bank.EndedAsync(id) is var ended ? (ended.State, ended.Reason) : default);
        Assert.True(await bank.Transactions.AbortAsync(id, "by hand"));
        Assert.Equal(1, await bank.App.ScalarAsync<long>("select count(*) from (select type, args from jobs.job union all select type, args from jobs.history) j where type = 'transaction.watch' and args->>'once' = 'true'"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_watch_that_can_tell_nobody_comes_again_and_does_not_fail()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.StartAsync(app.Build(b => b.AddWorker(w => { }).AddScheduler().AddTransactions(t =>
        {
            t.WatchEvery = TimeSpan.FromMilliseconds(1);
            t.Participant<Move, MoveParticipant>();
        }), services: s => s.AddSingleton(new Script())));
        var id = await host.Services.GetRequiredService<ITransactions>().BeginAsync(new TwoPhase("transfer").Add(new Move("a")));
        await app.LoggedAsync(2106); // there has never been a coordinator, and so no queue
        var watch = new JobId(await app.ScalarAsync<Guid>("select id from jobs.job where type = 'transaction.watch'"));
        await app.InStateAsync(watch, JobState.Scheduled);
        Assert.Equal(0, await app.ScalarAsync<int>("select failures from jobs.job where id = $1", watch.Value));

        // What an order has enqueued is not to come again for ever: it fails, and is tried again as failures are.
        Assert.True(await host.Services.GetRequiredService<ITransactions>().AbortAsync(id, "by hand"));
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.job where type = 'transaction.watch' and failures > 0"), n => n == 1, "the order's job has failed", app.Log.Tail);
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.transaction_order where told_at is null"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Doctor_misses_the_coordinator_and_the_watch_while_there_is_a_transaction()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", Hang);
        Assert.All(await ChecksAsync(), c => Assert.Equal((Health.Ok, 1L), (c.Verdict, c.Value)));
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        await bank.Host.StopAsync();
        await bank.App.OnConfirmingBrokerAsync(async channel =>
        {
            await channel.BasicPublishAsync("", bank.App.QueueName(Bus.Queue), mandatory: true, "an answer"u8.ToArray());
            return true;
        });
        Assert.All(await ChecksAsync(), c => Assert.Equal((Health.Bad, 0L), (c.Verdict, c.Value)));
        Assert.Contains("wait for one", (await ChecksAsync()).Single(c => c.Name == "coordinators").Text, StringComparison.Ordinal);
        await bank.App.SqlAsync("update jobs.transaction set ended_at = now(), state = 'aborted'");
        await bank.App.OnBrokerAsync(async channel => await channel.QueuePurgeAsync(bank.App.QueueName(Bus.Queue)));
        Assert.All(await ChecksAsync(), c => Assert.Equal((Health.Ok, 0L), (c.Verdict, c.Value)));

        async Task<List<Checkup>> ChecksAsync() => [.. (await bank.App.Operator.DoctorAsync()).Checks.Where(c => c.Name is "coordinators" or "transaction-watch")];
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task The_job_of_a_branch_says_for_which_transaction_it_works_and_what_waits_for_it()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare a", Hang).On("prepare b", Hang);
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync("prepare b");
        var job = (await bank.Transactions.GetAsync(id))!.Branches[1].Job!.Value;
        var waiting = (await bank.App.Operator.ExplainAsync(job))[^1];
        Assert.Equal("transaction", waiting.Code);
        Assert.StartsWith($"It prepares branch 2 (bank.move) of transaction {id} (\"transfer\", running), which waits for it and for 1 other, and is aborted if it is not decided in ", waiting.Text, StringComparison.Ordinal);
        Assert.NotNull(waiting.Until);
        var watch = new JobId(await bank.App.ScalarAsync<Guid>("select id from jobs.job where type = 'transaction.watch'"));
        Assert.StartsWith($"It watches over transaction {id} ", (await bank.App.Operator.ExplainAsync(watch))[^1].Text, StringComparison.Ordinal);
        await bank.Transactions.AbortAsync(id, "enough");
        await bank.EndedAsync(id);
        Assert.Equal($"It was for branch 2 (bank.move) of transaction {id} (\"transfer\", aborted 0 ms ago), which has been asked for something else since: it has nothing to do any more.",
            System.Text.RegularExpressions.Regex.Replace((await bank.App.Operator.ExplainAsync(job))[^1].Text, @"aborted .*? ago", "aborted 0 ms ago", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1)));
    }

    private static async Task<Vote> Hang(BranchContext context, CancellationToken ct)
    {
        await Task.Delay(Timeout.Infinite, ct);
        return Vote.Yes;
    }
}
