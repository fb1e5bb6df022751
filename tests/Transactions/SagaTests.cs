using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

public sealed class SagaTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Steps_run_in_order_and_those_of_one_stage_side_by_side()
    {
        await using var bank = await Bank.OpenAsync();
        var (b, c) = (new TaskCompletionSource(), new TaskCompletionSource());
        bank.Script.On("run b", (_, ct) => Meet(b, c, ct)).On("run c", (_, ct) => Meet(c, b, ct));
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a")).Then(new Book("b")).And(new Book("c")).Then(new Look("d"))));
        Assert.Equal(TransactionState.Committed, ended.State);
        Assert.Equal(["run a", "run b", "run c", "run d"], Sorted(bank.Script.Words, 1, 2));
        Assert.Equal([1, 2, 2, 3], ended.Branches.Select(x => x.Stage));
        Assert.All(ended.Branches, x => Assert.Equal(BranchState.Committed, x.State));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_no_undoes_what_is_done_in_reverse_and_nothing_else()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run d", _ => Vote.No("sold out"));
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(
            new Saga("trip").Then(new Book("a")).Then(new Look("b")).Then(new Book("c")).Then(new Book("d")).Then(new Book("e"))));
        Assert.Equal((TransactionState.Aborted, "Branch 4 (trip.book): sold out"), (ended.State, ended.Reason));
        Assert.Equal(["run a", "run b", "run c", "run d", "undo c", "undo a"], bank.Script.Words);
    }

    [Fact]
    public async Task A_step_that_throws_too_often_is_undone_too()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run b", (Func<BranchContext, Vote>)(_ => throw new InvalidOperationException("broken")));
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a")).Then(new Book("b"), new() { MaxAttempts = 2 })));
        Assert.Equal(TransactionState.Aborted, ended.State);
        Assert.Contains("broken", ended.Reason, StringComparison.Ordinal);
        Assert.Equal(["run a", "run b", "run b", "undo b", "undo a"], bank.Script.Words);
    }

    [Fact]
    public async Task A_no_of_a_later_attempt_is_undone_too_because_what_the_first_one_did_is_not_known()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run b", c => c.Attempt == 1 ? throw new InvalidOperationException("broken") : Vote.No("sold out"));
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a")).Then(new Book("b"))));
        Assert.Equal((TransactionState.Aborted, "Branch 2 (trip.book): sold out"), (ended.State, ended.Reason));
        Assert.Equal(["run a", "run b", "run b", "undo b", "undo a"], bank.Script.Words);
    }

    [Fact]
    public async Task The_plan_says_how_often_a_step_is_tried_and_not_the_policy_of_its_service()
    {
        await using var bank = await Bank.OpenAsync(t => t.Step<Once, OnceStep>(new RetryPolicy(1, _ => TimeSpan.FromMilliseconds(10))));
        bank.Script.On("run a", (Func<BranchContext, Vote>)(_ => throw new InvalidOperationException("broken")));
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(new Saga("trip").Then(new Once("a"), new() { MaxAttempts = 3 })));
        Assert.Equal(TransactionState.Aborted, ended.State);
        Assert.Equal(["run a", "run a", "run a", "undo a"], bank.Script.Words);
        Assert.Equal(2 * (1L << 32), bank.Script.Calls[^1].Context.Fence & ~0xFFFFFFFFL); // in the first round, by one job
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_forward_step_is_tried_until_it_is_done_and_the_saga_goes_on()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run a", c => c.Attempt < 8 ? throw new InvalidOperationException("not yet") : Vote.Yes);
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a"), new() { Forward = true, MaxAttempts = 2 }).Then(new Book("b"))));
        Assert.Equal(TransactionState.Committed, ended.State);
        Assert.Equal([.. Enumerable.Repeat("run a", 8), "run b"], bank.Script.Words);
    }

    [Fact]
    public async Task A_compensation_that_fails_too_often_is_parked_until_it_is_tried_again()
    {
        await using var bank = await Bank.OpenAsync();
        var mended = false;
        bank.Script.On("run c", _ => Vote.No("no")).On("undo b", _ => mended ? Vote.Yes : throw new InvalidOperationException("no refunds today"));
        var id = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a")).Then(new Book("b"), new() { ParkAfter = 2 }).Then(new Book("c")));
        var parked = await bank.SeeAsync(id, t => t.State == TransactionState.Parked, "it is parked");
        Assert.Equal((BranchState.Parked, "System.InvalidOperationException: no refunds today"), (parked.Branches[1].State, parked.Branches[1].Reason));
        Assert.Equal([2], parked.Awaited.Select(b => b.Number));
        Assert.DoesNotContain("undo a", bank.Script.Words);
        mended = true;
        await bank.Transactions.RetryAsync(id);
        Assert.Equal((TransactionState.Aborted, "Branch 3 (trip.book): no"), await bank.EndedAsync(id) is var ended ? (ended.State, ended.Reason) : default);
        Assert.Equal(["undo b", "undo b", "undo b", "undo a"], bank.Script.Words.Where(w => w.StartsWith("undo", StringComparison.Ordinal)));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_parked_step_counts_as_done_once_somebody_says_so()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run a", (Func<BranchContext, Vote>)(_ => throw new InvalidOperationException("broken")));
        var id = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a"), new() { Forward = true, ParkAfter = 3 }).Then(new Book("b")));
        await bank.SeeAsync(id, t => t.State == TransactionState.Parked, "it is parked");
        var wrong = await Assert.ThrowsAsync<JobsException>(() => bank.Transactions.SettleAsync(id, 2, "by hand"));
        Assert.Contains("not parked, but waiting", wrong.Message, StringComparison.Ordinal);
        await bank.Transactions.SettleAsync(id, 1, "booked by phone");
        var ended = await bank.EndedAsync(id);
        Assert.Equal((TransactionState.Committed, "booked by phone"), (ended.State, ended.Branches[0].Reason));
        Assert.Equal(["run a", "run a", "run a", "run b"], bank.Script.Words);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Undecided_at_its_deadline_the_step_that_runs_is_undone_after_its_end()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("run b", async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return Vote.Yes;
        });
        var ended = await bank.EndedAsync(await bank.Transactions.BeginAsync(new Saga("trip") { Timeout = TimeSpan.FromSeconds(2) }.Then(new Book("a")).Then(new Book("b")).Then(new Book("c"))));
        Assert.Equal(TransactionState.Aborted, ended.State);
        Assert.Equal(["run a", "run b", "undo b", "undo a"], bank.Script.Words);
    }

    [Fact]
    public async Task A_plan_with_faults_is_refused_with_all_of_them_and_nothing_is_written()
    {
        await using var bank = await Bank.OpenAsync();
        var refused = await Assert.ThrowsAsync<ArgumentException>(() => bank.Transactions.BeginAsync(
            new Saga("trip") { Timeout = TimeSpan.Zero }.Then(new Move("a")).Then(new Book("b"), new() { MaxAttempts = 0 })));
        Assert.Contains("The step \"bank.move\" does not say what makes up for it", refused.Message, StringComparison.Ordinal);
        Assert.Contains("timeout 00:00:00", refused.Message, StringComparison.Ordinal);
        Assert.Contains("MaxAttempts 0", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => bank.Transactions.BeginAsync(new TwoPhase("empty")));
        Assert.Equal("Call is not a branch: it has no [TransactionBranch] attribute. Write [TransactionBranch(\"call\")] above it.",
            Assert.Throws<InvalidOperationException>(() => new TwoPhase("wrong").Add(new Call("", "", null!))).Message);
        Assert.Equal(0, await bank.App.ScalarAsync<long>("select count(*) from jobs.transaction"));
    }

    private static async Task<Vote> Meet(TaskCompletionSource here, TaskCompletionSource there, CancellationToken ct)
    {
        here.SetResult();
        await there.Task.WaitAsync(ct);
        return Vote.Yes;
    }

    /// <summary>With the two at these places in the order of the alphabet: they began side by side.</summary>
    private static List<string> Sorted(IReadOnlyList<string> words, int first, int second)
    {
        var sorted = words.ToList();
        if (string.CompareOrdinal(sorted[first], sorted[second]) > 0)
        {
            (sorted[first], sorted[second]) = (sorted[second], sorted[first]);
        }

        return sorted;
    }
}
