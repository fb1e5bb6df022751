using System.Diagnostics;
using Jobs.Tests.Engine;
using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

/// <summary>What is measured and traced of a transaction.</summary>
public sealed class TelemetryTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task A_transaction_is_counted_where_it_begins_and_ends_and_a_late_answer_where_it_comes()
    {
        await using var bank = await Bank.OpenAsync();
        using var measured = new Measured(bank.Host);
        bank.Script.On("prepare c", _ => Vote.No("no")).On("run a", (Func<BranchContext, Vote>)(_ => throw new InvalidOperationException("broken")));
        var id = await bank.BeginAsync("a", "b");
        await bank.EndedAsync(id);
        await bank.EndedAsync(await bank.BeginAsync("c"));
        var parked = await bank.Transactions.BeginAsync(new Saga("trip").Then(new Book("a"), new() { Forward = true, ParkAfter = 1 }));
        await bank.SeeAsync(parked, t => t.State == TransactionState.Parked, "it is parked");
        await measured.SeeAsync("jobs.transactions.parked", "mode=saga", 1);
        Assert.Equal((2.0, 1.0), (measured["jobs.transactions.begun", "mode=twoPhase"], measured["jobs.transactions.begun", "mode=saga"]));
        foreach (var name in new[] { "jobs.transactions.ended", "jobs.transactions.decision.duration", "jobs.transactions.end.duration" })
        {
            await measured.SeeAsync(name, "mode=twoPhase outcome=committed", 1);
            await measured.SeeAsync(name, "mode=twoPhase outcome=aborted", 1);
        }

        await measured.SeeAsync("jobs.transactions.messages", "type=answer", 7); // 2 + 2, 1 + 1, 1
        Assert.Equal(0, measured["jobs.transactions.answers.late"]);
        await bank.TellAsync(id, 1, 2, Answer.Done);
        await measured.SeeAsync("jobs.transactions.answers.late", "", 1);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_has_not_ended_is_measured_by_the_scheduler_that_leads()
    {
        await using var bank = await Bank.OpenAsync();
        bank.Script.On("prepare b", async (_, ct) =>
        {
            await Task.Delay(Timeout.Infinite, ct);
            return Vote.Yes;
        });
        var id = await bank.BeginAsync("a", "b");
        await bank.SeeAsync(id, t => t.Branches[0].State == BranchState.Prepared, "a is prepared");
        using var measured = new Measured(bank.Host); // the first look is at once, the next one may be a long time after it
        await measured.SeeAsync("jobs.transactions.indoubt", "", 1);
        Assert.Equal((1.0, 0.0), (measured["jobs.transactions.live", "state=running"], measured["jobs.transactions.live", "state=parked"]));
        Assert.True(measured["jobs.transactions.indoubt.oldest"] > 0);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Branches_are_linked_to_the_beginning_or_the_decision_and_that_to_the_beginning()
    {
        await using var bank = await Bank.OpenAsync();
        using var spans = new Spans(JobsTelemetry.Sources);
        var name = $"linked.{Guid.NewGuid():N}";
        var id = await bank.Transactions.BeginAsync(new TwoPhase(name).Add(new Move("a")).Add(new Move("b")));
        await bank.EndedAsync(id);
        var begin = await spans.OneAsync($"start {name}");
        var turns = await spans.ManyAsync($"coordinate {name}", 4);
        Assert.Equal(id.ToString(), begin.GetTagItem("jobs.transaction"));
        Assert.All(turns, t => Assert.Equal((begin.SpanId, id.ToString(), "answer"), (Assert.Single(t.Links).Context.SpanId, t.GetTagItem("jobs.transaction"), t.GetTagItem("jobs.type"))));
        var linked = await Eventually.SeeAsync(() => Task.FromResult(spans.Of("process transactions").Where(p => p.Links.Any(l => l.Context.SpanId == begin.SpanId || turns.Exists(t => t.SpanId == l.Context.SpanId))).ToList()),
            p => p.Count >= 4, "four calls of participants are linked");
        var decided = linked.Select(p => p.Links.Single().Context.SpanId).Where(s => s != begin.SpanId).Distinct();
        Assert.Equal(2, linked.Count(p => p.Links.Single().Context.SpanId == begin.SpanId));
        Assert.Equal("committing", turns.Single(t => t.SpanId == Assert.Single(decided)).GetTagItem("jobs.state"));
    }
}
