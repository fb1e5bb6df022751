using System.Text.Json;
using Jobs.Postgres;
using Jobs.Producer;
using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Jobs.Transactions;

/// <summary>
/// Runs the job that looks after a transaction until it has ended. It aborts what is undecided at its deadline, also where no coordinator runs, and has the coordinator look whether an answer was lost.
/// Operators' orders reach the coordinator by it, too.
/// </summary>
internal sealed class WatchEntry(TimeSpan every) : HandlerEntry(WatchJob.Type, Soon, timeout: null)
{
    /// <summary>The longest time between two looks at a saga.</summary>
    private static readonly TimeSpan Rarely = TimeSpan.FromMinutes(10);

    /// <summary>And at two phases: what is prepared holds its locks, and must not wait a minute for an answer that was lost.</summary>
    private static readonly TimeSpan RarelyInDoubt = TimeSpan.FromSeconds(45);

    private static readonly RetryPolicy Soon = new(1000, n => TimeSpan.FromSeconds(Math.Min(n, 30)));

    public override async Task<JobOutcome> RunAsync(IServiceProvider scope, byte[] arguments, JsonSerializerOptions json, JobContext context, CancellationToken ct)
    {
        var (id, once) = Turn.Read<WatchJob>(arguments);
        var store = scope.GetRequiredService<TransactionStore>();
        if (await store.WatchAsync(id, ct) is not { } seen || StateWords.Read<TransactionState>(seen.State) is TransactionState.Committed or TransactionState.Aborted)
        {
            return JobOutcome.Succeeded;
        }

        var aborts = seen.Ordered && await TellAsync(scope, id, ct);
        if (!once && await store.AbortIfOverdueAsync(id, ct))
        {
            CrashPoint.Hit("T6");
            scope.GetRequiredService<ILogger<Turn>>().Overdue(id);
        }

        if (!once || aborts)
        {
            await scope.GetRequiredService<Bus>().SendAsync(new TransactionTicked(id), ct);
        }

        return once ? JobOutcome.Succeeded : JobOutcome.SnoozeFor(Next(every * context.Attempt, seen.Left, StateWords.Read<TransactionMode>(seen.Mode)));
    }

    /// <summary>Sends what operators have ordered, perhaps twice.</summary>
    /// <returns>Whether one of them decided to abort.</returns>
    private static async Task<bool> TellAsync(IServiceProvider scope, Guid id, CancellationToken ct)
    {
        var store = scope.GetRequiredService<TransactionOrderStore>();
        var orders = await store.ToTellAsync(id, ct);
        foreach (var order in orders.Where(o => o.Verb != "abort"))
        {
            await scope.GetRequiredService<Bus>().SendAsync(new TransactionOrdered(id, order.Branch, order.Verb == "settle" ? order.Reason : null, order.Round), ct);
        }

        await store.ToldAsync(orders.Select(o => o.Id), ct);
        return orders.Exists(o => o.Verb == "abort");
    }

    /// <summary>More and more rarely, but at the deadline in any case.</summary>
    internal static TimeSpan Next(TimeSpan wait, TimeSpan left, TransactionMode mode)
    {
        var most = mode == TransactionMode.TwoPhase ? RarelyInDoubt : Rarely;
        var next = wait < most ? wait : most;
        return left > TimeSpan.Zero && left < next ? left : next;
    }
}
