using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace Jobs.RabbitMq;

/// <summary>Consumes the messages of other programs that are to become jobs.</summary>
internal sealed class SubmitConsumer(BrokerConnection connection, Topology topology, int prefetch, TimeProvider time, ILogger log)
    : QueueConsumer<Submission>(connection, topology, QueueName.Submit, prefetch, time, log)
{
    private readonly BrokerConnection _connection = connection;
    private readonly Topology _topology = topology;

    /// <summary>Makes the exchange and the queue again if somebody deleted them; nobody is told when an exchange goes.</summary>
    public async Task DeclareAsync(CancellationToken ct) => await _topology.DeclareAsync(await _connection.GetAsync(ct), QueueName.Submit, ct);

    protected override Submission Read(ulong tag, int channel, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlySpan<byte> body,
        CancellationToken ct) => new(tag, channel, exchange, routingKey, properties, body.ToArray());
}
