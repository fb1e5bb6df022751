using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Mends lost tickets. A queue is strict in priority and first-in-first-out within one, so a marker published at the lowest priority comes out after every ticket that was
/// published before it: what is still queued then, under an older ticket, has probably lost it. Tickets that a busy worker holds in its buffer look the same, and sending
/// those again lets an idle worker have them.
/// </summary>
internal sealed class Reconciler(RepairStore store, TicketPublisher tickets, Markers markers, SchedulerTelemetry telemetry, ILogger<Reconciler> log)
{
    private const int Batch = 1000;

    /// <summary>A ticket that is younger needs no second look.</summary>
    private static readonly TimeSpan Stale = TimeSpan.FromSeconds(3);

    /// <summary>How much older than the marker a ticket must be: rows are stamped before their ticket is published.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(1);

    /// <summary>From a marker's return to the look for what it left behind: delivered tickets are being claimed.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    /// <summary>A marker that is not back after this long, with nothing ready in its queue, is lost; a longer queue gets it longer.</summary>
    private static readonly TimeSpan MarkerLost = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan MarkerOverdue = TimeSpan.FromSeconds(60);

    public async Task RunOnceAsync(Lead lead, CancellationToken ct)
    {
        foreach (var queue in await store.OldestTicketsAsync(ct))
        {
            if (queue.Oldest is not { } oldest)
            {
                continue;
            }

            if (queue.SweptTo is { } swept && queue.SweptAt > Grace && oldest > swept + Slack)
            {
                await SendAgainAsync(queue.Queue, lead, ct);
            }
            else if (oldest > Stale && await NeedsMarkerAsync(queue, ct)
                && await store.MarkIfLeaderAsync(queue.Queue, lead.Epoch, lead.Session, ct) is { } stamp)
            {
                await markers.SendAsync(queue.Queue, stamp, ct);
            }
        }
    }

    private async Task<bool> NeedsMarkerAsync(QueueTickets queue, CancellationToken ct)
    {
        if (queue.MarkerSent is not { } sent || sent > MarkerOverdue || queue.SweptTo <= sent)
        {
            return true; // none was sent, or not lately, or the newest is back
        }

        if (sent < MarkerLost)
        {
            return false;
        }

        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
            deadline.CancelAfter(TimeSpan.FromSeconds(5));
            return await markers.DepthAsync(queue.Queue, deadline.Token) is null or 0;
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            log.ServiceRetries("Reconciler: the depth of " + queue.Queue, 1, e.Message);
            return false;
        }
    }

    private async Task SendAgainAsync(string queue, Lead lead, CancellationToken ct)
    {
        var sum = 0;
        List<Ticket> lost;
        do
        {
            lost = await store.ResendIfLostAsync(queue, Batch, Slack, lead.Epoch, lead.Session, ct);
            await tickets.SendAsync(lost, ct);
            telemetry.Resent(queue, lost.Count);
            sum += lost.Count;
        }
        while (lost.Count == Batch);
        if (sum > 0)
        {
            log.TicketsSentAgain(sum, queue);
        }
    }
}
