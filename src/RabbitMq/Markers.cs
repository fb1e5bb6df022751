using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace Jobs.RabbitMq;

/// <summary>What the reconciler asks of the broker: a marker behind all tickets of a queue, and how many messages wait in it.</summary>
internal sealed class Markers(BrokerConnection connection, Topology topology, ILogger<Markers> log)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <summary>Publishes one marker and waits for the confirm. False: the broker did not take it.</summary>
    public async Task<bool> SendAsync(string queue, double seconds, CancellationToken ct)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
            deadline.CancelAfter(Deadline);
            var open = await connection.GetAsync(deadline.Token);
            await topology.DeclareAsync(open, queue, deadline.Token);
            await using var channel = await open.CreateChannelAsync(new CreateChannelOptions(true, true), deadline.Token);
            var properties = new BasicProperties
            {
                AppId = "jobs", Type = "marker", DeliveryMode = DeliveryModes.Persistent, ContentType = "text/plain", Priority = WirePriority.Of(JobPriority.Lowest.Value),
            };
            await channel.BasicPublishAsync("", topology.NameOf(queue), mandatory: true, properties, TicketBody.Marker(seconds), deadline.Token);
            return true;
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            log.Ignored($"Sending a marker to {queue}", e.Message);
            return false;
        }
    }

    /// <summary>How many messages are ready in the queue; null when it is missing. Throws when the broker cannot be reached.</summary>
    public async Task<uint?> DepthAsync(string queue, CancellationToken ct) => await topology.DepthAsync(await connection.GetAsync(ct), queue, ct);
}
