using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace Jobs.RabbitMq;

/// <summary>
/// X1: one delivery in a worker's buffer: a ticket (its dispatch is over 0), <paramref name="Garbage"/>, or else a marker, which is only there to be acknowledged in its turn.
/// </summary>
internal readonly record struct Delivery(ulong Tag, int Channel, JobId Id, int Dispatch, Garbage? Garbage) : IDelivery
{
    public bool IsTicket => Dispatch > 0;
}

/// <summary>Consumes one queue of tickets into a buffer that the claimer empties.</summary>
internal sealed class TicketConsumer(
    BrokerConnection connection, Topology topology, string queue, int prefetch, Func<double, CancellationToken, Task> onMarker, TimeProvider time, ILogger log)
    : QueueConsumer<Delivery>(connection, topology, queue, prefetch, time, log)
{
    private readonly string _queue = topology.NameOf(queue);
    private readonly ILogger _log = log;

    protected override Delivery Read(ulong tag, int channel, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlySpan<byte> body,
        CancellationToken ct)
    {
        if (TicketBody.TryRead(body, out var id, out var dispatch))
        {
            CrashPoint.Hit("X1");
            return new Delivery(tag, channel, id, dispatch, null);
        }

        if (TicketBody.TryReadMarker(body, out var seconds))
        {
            // Answered now: a marker says what has been delivered, and that must not wait behind tickets that wait for a slot.
            _ = AnswerAsync(seconds, ct);
            return new Delivery(tag, channel, default, 0, null);
        }

        var reason = $"Not a ticket: the body must be \"JOBID DISPATCH\", but it has {body.Length} bytes and starts with \"{Preview(body)}\". "
            + "Only the platform publishes to this queue; enqueue jobs through IJobClient.";
        return new Delivery(tag, channel, default, 0, Garbage.Of(body.ToArray(), properties, reason, ("x-jobs-queue", _queue)));
    }

    private async Task AnswerAsync(double seconds, CancellationToken ct)
    {
        try
        {
            await onMarker(seconds, ct);
        }
        catch (Exception e)
        {
            _log.Ignored("Answering a marker", e.Message); // another one is sent
        }
    }

    private static string Preview(ReadOnlySpan<byte> body)
    {
        Span<char> text = stackalloc char[Math.Min(24, body.Length)];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = body[i] is >= 32 and < 127 ? (char)body[i] : '?';
        }

        return text.ToString();
    }
}
