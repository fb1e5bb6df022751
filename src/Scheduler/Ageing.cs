using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Gives jobs of queues that want it a level of priority more each time they have waited for so long, up to the highest, so that a flood of urgent ones cannot starve the
/// others for ever. A queue without it costs nothing; one with it, an index range of what has become old since the look before.
/// </summary>
internal sealed class Ageing(QueueStore store, TicketPublisher tickets, TimeProvider time, ILogger<Ageing> log)
{
    private const int Batch = 1000;

    /// <summary>What is older than the look before was aged by it, has the highest priority, or was held by somebody else just then. For the last, all is looked at again this often.</summary>
    private static readonly TimeSpan WholeInterval = TimeSpan.FromSeconds(60);

    /// <summary>Looking at all of a long queue at the highest priority is not done for more than a hundredth of the time.</summary>
    private const int Share = 100;

    /// <summary>Seconds. Rows are stamped before their commit, and seen after it.</summary>
    private const double Overlap = 10;

    private readonly Dictionary<string, Place> _places = [];

    public async Task RunOnceAsync(CancellationToken ct)
    {
        var queues = await store.AgeingQueuesAsync(ct);
        foreach (var gone in _places.Keys.Except(queues.Keys).ToList())
        {
            _places.Remove(gone);
        }

        foreach (var (queue, old) in queues)
        {
            var place = _places.GetValueOrDefault(queue);
            var whole = place is null || time.GetElapsedTime(place.WholeAt) > (Share * place.Took > WholeInterval ? Share * place.Took : WholeInterval);
            var started = time.GetTimestamp();
            await AgeAsync(queue, whole ? 0 : place!.To - Overlap, old, ct);
            _places[queue] = whole ? new Place(old, started, time.GetElapsedTime(started)) : place! with { To = old };
        }
    }

    private async Task AgeAsync(string queue, double from, double to, CancellationToken ct)
    {
        var sum = 0;
        List<Ticket> aged;
        do
        {
            aged = await store.AgeIfQueuedAsync(queue, from, to, Batch, ct);
            await tickets.SendAsync(aged, ct);
            sum += aged.Count;
        }
        while (aged.Count == Batch);
        if (sum > 0)
        {
            log.Aged(sum, queue);
        }
    }

    /// <param name="To">What was sent before this has been looked at; seconds on the database clock.</param>
    /// <param name="WholeAt">When all was looked at last.</param>
    /// <param name="Took">How long that took.</param>
    private sealed record Place(double To, long WholeAt, TimeSpan Took);
}
