using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>Makes history partitions ahead of time and drops those that are too old, neither of which locks out the engine; clears old occurrences, progress, transactions, sessions and counts away in small batches.</summary>
internal sealed class Retention(RepairStore store, ScheduleStore schedules, AuditStore audit, OutputStore output, TransactionStore transactions, SchedulerOptions options, TimeProvider time, ILogger<Retention> log)
{
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);
    private const int DaysAhead = 14;
    private const int SucceededDays = 7;
    private const int OthersDays = 90;
    private const int OccurrenceDays = 90;
    private const int OccurrenceBatch = 5000;
    private const int SessionDays = 90;
    private const int SessionBatch = 5000;
    private const int TallyDays = 2;
    private const int ProgressBatch = 5000;
    private const int TransactionDays = 90;
    private const int TransactionBatch = 1000;

    public async Task RunOnceAsync(CancellationToken ct)
    {
        await store.MakePartitionsAsync(DaysAhead, ct);
        foreach (var command in await store.DropExpiredAsync(options.KeepSucceededDays ?? SucceededDays, options.KeepOthersDays ?? OthersDays, ct))
        {
            log.Retired(command);
        }

        while (await output.ClearProgressAsync(ProgressBatch, time.GetUtcNow(), ct) == ProgressBatch)
        {
        }

        while (await schedules.ForgetOccurrencesAsync(OccurrenceDays, OccurrenceBatch, ct) == OccurrenceBatch)
        {
        }

        while (await transactions.ForgetAsync(TransactionDays, TransactionBatch, ct) == TransactionBatch)
        {
        }

        while (await audit.ForgetAsync(SessionDays, SessionBatch, TallyDays, ct) == SessionBatch)
        {
        }
    }
}
