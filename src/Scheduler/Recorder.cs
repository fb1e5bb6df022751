using System.Collections.Concurrent;
using Jobs.Coordination;
using Jobs.Coordination.Recurring;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Brings the ledger of one schedule up to now: every occurrence since its watermark is enqueued or recorded as skipped. Any number of schedulers may do this at once,
/// for whatever reason they think it is time: the row lock and the watermark make it happen once.
/// </summary>
internal sealed class Recorder(LedgerStore store, TicketPublisher tickets, Followers followers, SchedulerTelemetry telemetry, CoordinationTelemetry counts, ILogger<Recorder> log)
{
    private readonly ConcurrentDictionary<string, (DateTimeOffset ChangedAt, Occurrences Occurrences)> _known = new();

    /// <summary>Records what is due.</summary>
    /// <returns>What the last pass found; null: there is no such schedule.</returns>
    public async Task<Recorded?> RecordAsync(string name, CancellationToken ct)
    {
        using var span = SchedulerTelemetry.StartRecording(name);
        var (queue, type) = ("", "");
        Recorded? recorded;
        do
        {
            recorded = await store.RecordAsync(name, (schedule, previous) =>
            {
                (queue, type) = (schedule.Queue, schedule.Type);
                return Judgement.Of(schedule, OccurrencesOf(schedule), previous);
            }, ct);
            if (recorded is null)
            {
                _known.TryRemove(name, out _);
                return null;
            }

            telemetry.Recorded(recorded);
            counts.Enqueued(queue, type, "schedule", recorded.Enqueued);
            followers.Tell(recorded.Followed);
            await tickets.SendAsync(recorded.Tickets, ct);
            if (recorded.Skipped > 0)
            {
                log.OccurrencesSkipped(name, recorded.Skipped, recorded.Enqueued, string.Join("; ", recorded.Pass.Verdicts.Where(v => v.Job is null).Select(v => v.Reason).Distinct()));
            }
        }
        while (recorded.Pass.More);
        return recorded;
    }

    private Occurrences OccurrencesOf(ScheduleRow schedule)
    {
        if (_known.TryGetValue(schedule.Name, out var known) && known.ChangedAt == schedule.ChangedAt)
        {
            return known.Occurrences;
        }

        var occurrences = Occurrences.Of(schedule);
        _known[schedule.Name] = (schedule.ChangedAt, occurrences);
        return occurrences;
    }
}
