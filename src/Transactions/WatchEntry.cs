using System.Text.Json;
using Jobs.Postgres;
using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Jobs.Transactions;

/// <summary>
/// Runs the job that looks after a transaction until it has ended. It aborts what is undecided at its deadline, also where no coordinator runs, and has the coordinator look whether an answer was lost.
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
        var id = Turn.Read<WatchJob>(arguments).Transaction;
        var store = scope.GetRequiredService<TransactionStore>();
        if (await store.WatchAsync(id, ct) is not { } seen || StateWords.Read<TransactionState>(seen.State) is TransactionState.Committed or TransactionState.Aborted)
        {
            return JobOutcome.Succeeded;
        }

        if (await store.AbortIfOverdueAsync(id, ct))
        {
            CrashPoint.Hit("T6");
            scope.GetRequiredService<ILogger<Turn>>().Overdue(id);
        }

        await scope.GetRequiredService<Bus>().SendAsync(new TransactionTicked(id), ct);
        return JobOutcome.SnoozeFor(Next(every * context.Attempt, seen.Left, StateWords.Read<TransactionMode>(seen.Mode)));
    }

    /// <summary>More and more rarely, but at the deadline in any case.</summary>
    internal static TimeSpan Next(TimeSpan wait, TimeSpan left, TransactionMode mode)
    {
        var most = mode == TransactionMode.TwoPhase ? RarelyInDoubt : Rarely;
        var next = wait < most ? wait : most;
        return left > TimeSpan.Zero && left < next ? left : next;
    }
}
