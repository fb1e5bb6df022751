using RabbitMQ.Client;
using Jobs.Postgres;
using Jobs.Tests.Engine;
using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Transactions;

[TransactionBranch("test.give")]
public sealed record Give(string Account, decimal Amount);

[TransactionBranch("test.take")]
public sealed record Take(string Account, decimal Amount);

internal sealed class GiveParticipant([FromKeyedServices("there")] ParticipantDatabase there) : SqlParticipant<Give>(there,
    "update account set balance = balance + @Amount where name = @Account", "There is no such account.");

internal sealed class TakeParticipant([FromKeyedServices("here")] ParticipantDatabase here) : SqlParticipant<Take>(here,
    "update account set balance = balance - @Amount where name = @Account and balance >= @Amount", "There is too little on it.");

/// <summary>Money goes from one database to another, by everything that takes part in it.</summary>
public sealed class WholeWayTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Money_goes_from_one_database_to_the_other_or_stays()
    {
        await using var here = await Ledger.CreateAsync();
        await using var there = await Ledger.CreateAsync();
        var app = await TestApp.CreateAsync();
        var host = await StartAsync(app, here, there);
        var transactions = host.Services.GetRequiredService<ITransactions>();

        var paid = await transactions.BeginAsync(new TwoPhase("pay").Add(new Take("ann", 60)).Add(new Give("ann", 60)));
        Assert.Equal(TransactionState.Committed, (await transactions.WaitAsync(paid, Eventually.Patience)).State);
        Assert.Equal((40, 160), (await here.AnnAsync(), await there.AnnAsync()));

        var refused = await transactions.BeginAsync(new TwoPhase("pay").Add(new Take("ann", 60)).Add(new Give("ann", 60)));
        var ended = await transactions.WaitAsync(refused, Eventually.Patience);
        Assert.Equal(TransactionState.Aborted, ended.State);
        Assert.Contains("too little", ended.Reason, StringComparison.Ordinal);
        Assert.Equal((40, 160), (await here.AnnAsync(), await there.AnnAsync()));
        Assert.Equal((0, 0), (await LeftAsync(here), await LeftAsync(there)));
        await EndAsync(app, host);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Process_with_a_participant_database_sweeps_it()
    {
        await using var here = await Ledger.CreateAsync();
        var app = await TestApp.CreateAsync();
        await app.StartAsync(app.Build(b => b.AddParticipantDatabase("here", here.ConnectionString, o => (o.SweepEvery, o.AskAfter) = (TimeSpan.FromSeconds(1), TimeSpan.Zero))));
        var gid = new BranchGid(app.Schema, Guid.CreateVersion7(), 1); // of a transaction that nobody knows
        await here.Verbs.PrepareAsync(gid, Ledger.WorkAsync, default);
        await app.LoggedAsync(2160);
        Assert.Equal((100, false), (await here.AnnAsync(), await here.IsPreparedAsync(gid)));
        await app.DisposeAsync();
    }

    [Fact]
    public async Task Decisions_are_those_of_the_coordinators_tables()
    {
        var app = await TestApp.CreateAsync();
        var host = app.Build(_ => { });
        var decisions = new Decisions(host.Services.GetRequiredService<Database>());
        var (commit, abort, open, unknown, ended) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        foreach (var id in new[] { commit, abort, open, ended })
        {
            await app.SqlAsync("insert into jobs.transaction (id, name, mode, state, priority, deadline_at, ended_at) values ($1, 't', 'twoPhase', 'running', 16, now(), case when $2 then now() end)", id, id == ended);
        }

        await app.SqlAsync("insert into jobs.transaction_decision (transaction_id, decision) values ($1, 'commit'), ($2, 'abort'), ($3, 'commit')", commit, abort, ended);
        var verdicts = await decisions.AskAsync([commit, abort, open, unknown, ended], default);
        Assert.Equal((new Known(Decision.Commit, false), new Known(Decision.Abort, false)), (verdicts[commit], verdicts[abort]));
        Assert.Equal((new Known(Decision.Open, false), new Known(Decision.Unknown, true)), (verdicts[open], verdicts[unknown]));
        Assert.Equal(new Known(Decision.Commit, true), verdicts[ended]);
        var (name, origin) = await decisions.InstallationAsync(default);
        Assert.Equal((app.Schema, origin), (name, (await decisions.InstallationAsync(default)).Origin));
        host.Dispose();
        await app.DisposeAsync();
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Host_with_a_participant_database_that_is_not_fit_does_not_start()
    {
        await using var here = await Ledger.CreateAsync();
        var app = await TestApp.CreateAsync();
        using var host = app.Build(b => b.AddParticipantDatabase("here", here.ConnectionString, o => o.PreparedTransactions = 100_000));
        Assert.Contains("max_prepared_transactions", (await Assert.ThrowsAsync<JobsException>(() => host.StartAsync())).Message, StringComparison.Ordinal);
        using var wrong = app.Build(b => b.AddParticipantDatabase("here", here.ConnectionString, o => o.KeepDays = 0));
        Assert.Contains("KeepDays", (await Assert.ThrowsAnyAsync<Exception>(() => wrong.StartAsync())).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => app.Build(b => b.AddParticipantDatabase("here", here.ConnectionString).AddParticipantDatabase("here", here.ConnectionString)));
        await app.DisposeAsync();
    }

    private static Task<IHost> StartAsync(TestApp app, Ledger here, Ledger there) => app.StartAsync(app.Build(b => b
        .AddParticipantDatabase("here", here.ConnectionString).AddParticipantDatabase("there", there.ConnectionString)
        .AddWorker(w => w.ShutdownGrace = TimeSpan.FromSeconds(1)).AddScheduler()
        .AddTransactions(t => t.Participant<Take, TakeParticipant>().Participant<Give, GiveParticipant>().Coordinator())));

    private static Task<long> LeftAsync(Ledger ledger) => ledger.ScalarAsync<long>("select count(*) from pg_prepared_xacts where database = current_database()");

    private static async Task EndAsync(TestApp app, IHost host)
    {
        await app.StopAsync(host);
        await app.OnBrokerAsync(async channel =>
        {
            await channel.QueueDeleteAsync(app.QueueName(Bus.Queue));
            await channel.ExchangeDeleteAsync(app.QueueName(Bus.Queue));
            return true;
        });
        await app.DisposeAsync();
    }
}
