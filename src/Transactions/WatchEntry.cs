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

    private static readonly TimeSpan NotTold = TimeSpan.FromSeconds(30);

    private static readonly RetryPolicy Soon = new(1000, n => TimeSpan.FromSeconds(Math.Min(n, 30)));

    public override async Task<JobOutcome> RunAsync(IServiceProvider scope, byte[] arguments, JsonSerializerOptions json, JobContext context, CancellationToken ct)
    {
        var (id, once) = Turn.Read<WatchJob>(arguments);
        var store = scope.GetRequiredService<TransactionStore>();
        if (await store.WatchAsync(id, ct) is not { } seen || StateWords.Read<TransactionState>(seen.State) is TransactionState.Committed or TransactionState.Aborted)
        {
            return JobOutcome.Succeeded;
        }

        if (!once && await store.AbortIfOverdueAsync(id, ct))
        {
            CrashPoint.Hit("T6");
            scope.GetRequiredService<ILogger<Turn>>().Overdue(id);
        }

        try
        {
            await TellAsync(scope, id, seen.Ordered, ct);
        }
        catch (Exception e) when (!once && !ct.IsCancellationRequested)
        {
            scope.GetRequiredService<ILogger<Turn>>().NotTold(id, e.Message); // it comes again. A failure would count, and some day be the last
            return JobOutcome.SnoozeFor(NotTold);
        }

        return once ? JobOutcome.Succeeded : JobOutcome.SnoozeFor(Next(every * context.Attempt, seen.Left, StateWords.Read<TransactionMode>(seen.Mode)));
    }

    /// <summary>Sends what operators have ordered, perhaps twice, and has the coordinator look. Only then it counts as told.</summary>
    private static async Task TellAsync(IServiceProvider scope, Guid id, bool ordered, CancellationToken ct)
    {
        var (store, bus) = (scope.GetRequiredService<TransactionOrderStore>(), scope.GetRequiredService<Bus>());
        var orders = ordered ? await store.ToTellAsync(id, ct) : [];
        foreach (var order in orders.Where(o => o.Verb != "abort"))
        {
            await bus.SendAsync(new TransactionOrdered(id, order.Branch, order.Verb == "settle" ? order.Reason : null, order.Round), ct);
        }

        await bus.SendAsync(new TransactionTicked(id), ct);
        if (orders.Count > 0)
        {
            await store.ToldAsync(orders.Select(o => o.Id), ct);
        }
    }

    /// <summary>More and more rarely, but at the deadline in any case.</summary>
    internal static TimeSpan Next(TimeSpan wait, TimeSpan left, TransactionMode mode)
    {
        var most = mode == TransactionMode.TwoPhase ? RarelyInDoubt : Rarely;
        var next = wait < most ? wait : most;
        return left > TimeSpan.Zero && left < next ? left : next;
    }
}
