using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMq;

/// <summary>Looks at the broker and changes nothing on it.</summary>
internal sealed class BrokerProbe(BrokerConnection connection, Topology topology)
{
    /// <summary>The broker's version. Throws when it cannot be reached, or is too old.</summary>
    public async Task<string> VersionAsync(CancellationToken ct) =>
        (await connection.GetAsync(ct)).ServerProperties is { } properties && properties.TryGetValue("version", out var version) && version is byte[] bytes
            ? Encoding.UTF8.GetString(bytes) : "unknown";

    /// <summary>How many messages are ready in a queue of jobs, and how many consumers it has; null when it is not there.</summary>
    public async Task<(uint Ready, uint Consumers)?> QueueAsync(string queue, CancellationToken ct)
    {
        var open = await connection.GetAsync(ct);
        await using var channel = await open.CreateChannelAsync(cancellationToken: ct);
        try
        {
            var found = await channel.QueueDeclarePassiveAsync(topology.NameOf(queue), ct);
            return (found.MessageCount, found.ConsumerCount);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
        {
            return null; // no ticket was ever sent to it, or somebody has deleted it
        }
    }
}
