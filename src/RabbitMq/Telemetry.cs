using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Jobs.RabbitMq;

/// <summary>What this room measures: tickets on their way, and the connections. docs/OPERATIONS.md is the dictionary.</summary>
internal sealed class BrokerTelemetry : IDisposable
{
    private readonly Meter _meter;
    private readonly ConcurrentDictionary<BrokerConnection, string> _connections = new();

    public BrokerTelemetry(IMeterFactory? factory = null)
    {
        _meter = JobsTelemetry.Open(JobsTelemetry.RabbitMq, factory);
        Published = _meter.CreateCounter<long>("jobs.tickets.published", "{ticket}", "Tickets handed to the client to be sent, repetitions included.");
        Confirmed = _meter.CreateCounter<long>("jobs.tickets.confirmed", "{ticket}", "Tickets that the broker has confirmed.");
        Repeated = _meter.CreateCounter<long>("jobs.tickets.repeated", "{ticket}", "Tickets published once more, because their channel broke or their queue was missing.");
        Returned = _meter.CreateCounter<long>("jobs.tickets.returned", "{ticket}", "Tickets that came back because their queue was missing.");
        Dropped = _meter.CreateCounter<long>("jobs.tickets.dropped", "{ticket}", "Tickets not published because the broker does not take them; the scheduler sends them later.");
        Malformed = _meter.CreateCounter<long>("jobs.messages.malformed", "{message}", "Messages set aside because they are no tickets or cannot become jobs.");
        _meter.CreateObservableUpDownCounter("jobs.tickets.unconfirmed", () => Publisher?.Unconfirmed ?? 0, "{ticket}", "Tickets sent and not confirmed yet.");
        _meter.CreateObservableUpDownCounter("jobs.tickets.backlog", () => Publisher?.Backlog ?? 0, "{list}", "Lists of tickets, one of each statement, that wait to be sent; at most 256.");
        _meter.CreateObservableUpDownCounter("jobs.publisher.lanes", Lanes, "{connection}", "Connections that publish tickets, open and broken ones.");
        _meter.CreateObservableGauge("jobs.broker.connected", () => _connections.Select(c => new Measurement<int>(c.Key.IsOpen ? 1 : 0, Labels.Of(Labels.Connection, c.Value))),
            null, "1 while the connection to RabbitMQ is open, else 0.");
    }

    public Counter<long> Published { get; }

    public Counter<long> Confirmed { get; }

    public Counter<long> Repeated { get; }

    public Counter<long> Returned { get; }

    public Counter<long> Dropped { get; }

    public Counter<long> Malformed { get; }

    /// <summary>Once it publishes.</summary>
    public TicketPublisher? Publisher { get; set; }

    public void Add(BrokerConnection connection, string purpose) => _connections[connection] = purpose;

    public void Remove(BrokerConnection connection) => _connections.TryRemove(connection, out _);

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<int>> Lanes()
    {
        var (open, all) = Publisher?.Lanes ?? (0, 0);
        return [new Measurement<int>(open, Labels.Of(Labels.State, "open")), new Measurement<int>(all - open, Labels.Of(Labels.State, "broken"))];
    }
}
