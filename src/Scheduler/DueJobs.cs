using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;

namespace Jobs.Scheduler;

/// <summary>Queues what is due: delayed jobs, retries, snoozes, and jobs whose app committed its transaction and then died before it dispatched them.</summary>
internal sealed class DueJobs(RepairStore store, TicketPublisher tickets, SchedulerTelemetry telemetry, CoordinationTelemetry counts)
{
    private const int Batch = 1000;

    /// <summary>
    /// The longest look-away. A job that becomes due sooner than the next known one, or whose transaction has just been committed, can be this late; those known in
    /// advance start on time. With the two statements that follow it stays under 200 ms, and an idle scheduler makes less than 7 looks a second.
    /// </summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(150);

    /// <returns>How long to wait for the next look.</returns>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        if (await store.NextDueAsync(ct) is not { } next)
        {
            return LookEvery;
        }

        if (next > TimeSpan.Zero)
        {
            return next < LookEvery ? next : LookEvery;
        }

        var due = await store.PromoteIfDueAsync(Batch, ct);
        telemetry.Due(due.Tickets.Count, -next);
        counts.EnqueuedBySql(due.New);
        await tickets.SendAsync(due.Tickets, ct);
        return TimeSpan.Zero;
    }
}
