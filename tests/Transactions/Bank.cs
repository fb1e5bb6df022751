using RabbitMQ.Client;
using System.Collections.Concurrent;
using Jobs.Tests.Engine;
using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Transactions;

[TransactionBranch("bank.move")]
public sealed record Move(string Account, int Amount = 1);

[TransactionBranch("trip.book", Compensation = Compensation.ByStep)]
public sealed record Book(string What);

[TransactionBranch("trip.look", Compensation = Compensation.NoneNeeded)]
public sealed record Look(string What);

[TransactionBranch("trip.once", Compensation = Compensation.ByStep)]
public sealed record Once(string What);

/// <summary>One call of a participant: the verb, and which branch by its word.</summary>
internal sealed record Call(string Verb, string What, BranchContext Context)
{
    public override string ToString() => $"{Verb} {What}";
}

/// <summary>What the participants of a test do. A verb nobody has written a part for succeeds.</summary>
internal sealed class Script
{
    private readonly ConcurrentDictionary<string, Func<BranchContext, CancellationToken, Task<Vote>>> _parts = [];
    private readonly ConcurrentQueue<Call> _calls = [];

    /// <summary>In order of their beginning.</summary>
    public IReadOnlyList<Call> Calls => [.. _calls];

    public IReadOnlyList<string> Words => [.. _calls.Select(c => c.ToString())];

    public Script On(string call, Func<BranchContext, CancellationToken, Task<Vote>> part)
    {
        _parts[call] = part;
        return this;
    }

    public Script On(string call, Func<BranchContext, Vote> part) => On(call, (context, _) => Task.FromResult(part(context)));

    public async Task<Vote> RunAsync(string verb, string what, BranchContext context, CancellationToken ct)
    {
        var call = new Call(verb, what, context);
        _calls.Enqueue(call);
        return _parts.TryGetValue(call.ToString(), out var part) ? await part(context, ct) : Vote.Yes;
    }
}

internal sealed class MoveParticipant(Script script) : ITransactionParticipant<Move>
{
    public Task<Vote> PrepareAsync(Move branch, BranchContext context, CancellationToken ct) => script.RunAsync("prepare", branch.Account, context, ct);

    public Task CommitAsync(Move branch, BranchContext context, CancellationToken ct) => script.RunAsync("commit", branch.Account, context, ct);

    public Task AbortAsync(Move branch, BranchContext context, CancellationToken ct) => script.RunAsync("abort", branch.Account, context, ct);
}

internal sealed class BookStep(Script script) : ISagaStep<Book>
{
    public Task<Vote> RunAsync(Book step, BranchContext context, CancellationToken ct) => script.RunAsync("run", step.What, context, ct);

    public Task CompensateAsync(Book step, BranchContext context, CancellationToken ct) => script.RunAsync("undo", step.What, context, ct);
}

internal sealed class OnceStep(Script script) : ISagaStep<Once>
{
    public Task<Vote> RunAsync(Once step, BranchContext context, CancellationToken ct) => script.RunAsync("run", step.What, context, ct);

    public Task CompensateAsync(Once step, BranchContext context, CancellationToken ct) => script.RunAsync("undo", step.What, context, ct);
}

internal sealed class LookStep(Script script) : ISagaStep<Look>
{
    public Task<Vote> RunAsync(Look step, BranchContext context, CancellationToken ct) => script.RunAsync("run", step.What, context, ct);

    public Task CompensateAsync(Look step, BranchContext context, CancellationToken ct) => script.RunAsync("undo", step.What, context, ct);
}

/// <summary>An installation with everything that transactions need, in one host.</summary>
internal sealed class Bank : IAsyncDisposable
{
    private static readonly RetryPolicy AtOnce = new(1000, _ => TimeSpan.FromMilliseconds(10));

    private Bank(TestApp app) => App = app;

    public TestApp App { get; }

    public Script Script { get; } = new();

    public IHost Host { get; private set; } = null!;

    public ITransactions Transactions => Host.Services.GetRequiredService<ITransactions>();

    public Bus Bus => Host.Services.GetRequiredService<Bus>();

    public static async Task<Bank> OpenAsync(Action<TransactionsOptions>? more = null)
    {
        var bank = new Bank(await TestApp.CreateAsync());
        bank.Host = await bank.StartAsync(more);
        return bank;
    }

    public Task<IHost> StartAsync(Action<TransactionsOptions>? more = null) => App.StartAsync(App.Build(
        b => b.AddWorker(w => w.ShutdownGrace = TimeSpan.FromSeconds(1)).AddScheduler().AddTransactions(t =>
        {
            t.Participant<Move, MoveParticipant>(AtOnce).Step<Book, BookStep>(AtOnce).Step<Look, LookStep>(AtOnce).Coordinator();
            more?.Invoke(t);
        }), services: s => s.AddSingleton(Script)));

    public Task<TransactionId> BeginAsync(params string[] accounts) => BeginAsync(TimeSpan.FromMinutes(5), accounts);

    public Task<TransactionId> BeginAsync(TimeSpan timeout, params string[] accounts)
    {
        var plan = new TwoPhase("transfer") { Timeout = timeout };
        foreach (var account in accounts)
        {
            plan.Add(new Move(account));
        }

        return Transactions.BeginAsync(plan);
    }

    public async Task<TransactionInfo> EndedAsync(TransactionId id)
    {
        try
        {
            return await Transactions.WaitAsync(id, Eventually.Patience);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message} Calls: {string.Join(", ", Script.Words)}. {App.Log.Tail()}", e);
        }
    }

    public Task<TransactionInfo> SeeAsync(TransactionId id, Func<TransactionInfo, bool> done, string what) =>
        Eventually.SeeAsync(async () => (await Transactions.GetAsync(id))!, done, what, () => $"Calls: {string.Join(", ", Script.Words)}. {App.Log.Tail()}");

    public Task SeeAsync(string call) => App.SeeAsync(() => Script.Words.Contains(call), $"the call {call}");

    public Task TellAsync(TransactionId id, int branch, int round, Answer answer, string? reason = null) => Bus.SendAsync(new BranchReported(id.Value, branch, round, answer, reason), default);

    public Task TickAsync(TransactionId id) => Bus.SendAsync(new TransactionTicked(id.Value), default);

    /// <summary>The coordinator has heard all that was sent so far.</summary>
    public Task HeardAsync() => App.WaitForTicketsAsync(Bus.Queue, 0);

    public async ValueTask DisposeAsync()
    {
        await App.StopAsync(Host);
        await App.OnBrokerAsync(async channel =>
        {
            await channel.QueueDeleteAsync(App.QueueName(Bus.Queue));
            await channel.ExchangeDeleteAsync(App.QueueName(Bus.Queue));
            return true;
        });
        await App.DisposeAsync();
    }
}
