using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Jobs.RabbitMq;

/// <summary>
/// X1: one delivery in a worker's buffer: a ticket (its dispatch is over 0), <paramref name="Garbage"/>, or else a marker, which is only there to be acknowledged in its turn.
/// </summary>
internal readonly record struct Delivery(ulong Tag, int Channel, JobId Id, int Dispatch, Garbage? Garbage)
{
    public bool IsTicket => Dispatch > 0;
}

/// <summary>A message that is not a ticket, copied out of the client's buffer, and why.</summary>
internal sealed record Garbage(byte[] Body, BasicProperties Properties, string Reason);

/// <summary>
/// Consumes one queue of tickets into a buffer that the claimer empties. The broker's prefetch bounds the buffer. A broken channel takes its buffered
/// deliveries with it: the broker delivers them again.
/// </summary>
internal sealed class TicketConsumer(
    BrokerConnection connection, Topology topology, string queue, int prefetch, Func<double, CancellationToken, Task> onMarker, TimeProvider time, ILogger log)
    : IAsyncBasicConsumer
{
#pragma warning disable RS0030 // bounded by the prefetch
    private readonly Channel<Delivery> _buffer = Channel.CreateUnbounded<Delivery>();
#pragma warning restore RS0030
    private TaskCompletionSource<string> _broken = new();
    private IChannel? _channel;
    private string _tag = "";
    private int _prefetch = prefetch;
    private volatile int _generation;

    IChannel? IAsyncBasicConsumer.Channel => _channel;

    /// <summary>Deliveries in the buffer, stale ones included.</summary>
    public int Buffered => _buffer.Reader.Count;

    /// <summary>Consumes until <paramref name="ct"/> says to stop, opening a new channel whenever one breaks.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        for (var failures = 0; !ct.IsCancellationRequested;)
        {
            try
            {
                await OpenAsync(ct);
                failures = 0;
                log.ConsumerBroken(queue, await _broken.Task.WaitAsync(ct));
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                log.NotConnected($"consume {queue}", ++failures, e.Message);
                await Task.Delay(Backoff.Delay(failures), time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    /// <summary>Stops deliveries at once. What is in the buffer goes back to the broker when the channel closes.</summary>
    public async Task CloseAsync()
    {
        _generation++;
        if (_channel is not { } channel)
        {
            return;
        }

        _channel = null;
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(3), time);
            await channel.CloseAsync(deadline.Token);
            await channel.DisposeAsync();
        }
        catch (Exception e)
        {
            log.Ignored($"Closing the channel of {queue}", e.Message);
        }
    }

    /// <summary>Changes how many tickets the broker may push ahead. A prefetch is fixed for a consumer's life, so a new one takes its place on the same channel.</summary>
    public async Task ResizeAsync(int prefetch, CancellationToken ct)
    {
        if (_channel is not { IsOpen: true } channel)
        {
            return;
        }

        try
        {
            _prefetch = prefetch;
            await channel.BasicCancelAsync(_tag, noWait: false, ct);
            await ConsumeAsync(channel, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            Break($"changing the prefetch: {e.Message}");
        }
    }

    /// <summary>Ends when the buffer holds something; false at the end of the consumer's life.</summary>
    public ValueTask<bool> WaitAsync(CancellationToken ct) => _buffer.Reader.WaitToReadAsync(ct);

    /// <summary>The next delivery of the channel that is open now.</summary>
    public bool TryTake(out Delivery delivery)
    {
        while (_buffer.Reader.TryRead(out delivery))
        {
            if (delivery.Channel == _generation)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Gives the channel up, and with it every delivery that is not acknowledged; a new one is opened.</summary>
    public void Break(string reason) => _broken.TrySetResult(reason);

    /// <summary>X4: acknowledges everything up to this delivery at once. Nothing happens if its channel is gone: the broker delivers again and the claim finds nothing.</summary>
    public async Task AckThroughAsync(Delivery last, CancellationToken ct)
    {
        if (last.Channel != _generation || _channel is not { } channel)
        {
            return;
        }

        try
        {
            await channel.BasicAckAsync(last.Tag, multiple: true, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            _broken.TrySetResult(e.Message);
        }
    }

    /// <summary>Moves what is not a ticket to the queue of malformed messages, the reason in a header. Returns when the broker has confirmed all of it.</summary>
    public async Task SetAsideAsync(IReadOnlyList<Garbage> garbage, CancellationToken ct)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(TimeSpan.FromSeconds(10));
        await using var channel = await (await connection.GetAsync(deadline.Token)).CreateChannelAsync(new CreateChannelOptions(true, true), deadline.Token);
        var confirms = new List<Task>(garbage.Count);
        foreach (var item in garbage)
        {
            confirms.Add(channel.BasicPublishAsync("", topology.Malformed, mandatory: true, item.Properties, item.Body, deadline.Token).AsTask());
        }

        await Task.WhenAll(confirms);
        log.Malformed(garbage.Count, topology.NameOf(queue), topology.Malformed, garbage[0].Reason);
    }

    async Task IAsyncBasicConsumer.HandleBasicDeliverAsync(
        string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
        IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var generation = _generation;
        if (TicketBody.TryRead(body.Span, out var id, out var dispatch))
        {
            _buffer.Writer.TryWrite(new Delivery(deliveryTag, generation, id, dispatch, null));
            CrashPoint.Hit("X1");
            return;
        }

        if (TicketBody.TryReadMarker(body.Span, out var seconds))
        {
            // Answered now: a marker says what has been delivered, and that must not wait behind tickets that wait for a slot.
            _ = AnswerAsync(seconds, cancellationToken);
            _buffer.Writer.TryWrite(new Delivery(deliveryTag, generation, default, 0, null));
            return;
        }

        var reason = $"Not a ticket: the body must be \"JOBID DISPATCH\", but it has {body.Length} bytes and starts with \"{Preview(body.Span)}\". "
            + "Only the platform publishes to this queue; enqueue jobs through IJobClient.";
        // What the broker would act on when it is published again is taken off: a user who is not us is refused, CC and BCC are further addresses.
        var set = new BasicProperties(properties) { DeliveryMode = DeliveryModes.Persistent, Expiration = null, UserId = null };
        set.Headers = new Dictionary<string, object?>(set.Headers ?? new Dictionary<string, object?>()) { ["x-jobs-reason"] = reason, ["x-jobs-queue"] = topology.NameOf(queue) };
        set.Headers.Remove("CC");
        set.Headers.Remove("BCC");
        _buffer.Writer.TryWrite(new Delivery(deliveryTag, generation, default, 0, new Garbage(body.ToArray(), set, reason)));
    }

    Task IAsyncBasicConsumer.HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken)
    {
        _broken.TrySetResult("the broker cancelled the consumer: the queue was deleted or moved");
        return Task.CompletedTask;
    }

    Task IAsyncBasicConsumer.HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason)
    {
        _broken.TrySetResult(reason.ReplyText);
        return Task.CompletedTask;
    }

    Task IAsyncBasicConsumer.HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken) => Task.CompletedTask;

    Task IAsyncBasicConsumer.HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task OpenAsync(CancellationToken ct)
    {
        await CloseAsync();
        var open = await connection.GetAsync(ct);
        await topology.DeclareAsync(open, queue, ct);
        _broken = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var channel = await open.CreateChannelAsync(cancellationToken: ct);
        channel.DefaultConsumer = this; // a delivery that was under way when its consumer was cancelled is a ticket like any other
        _channel = channel;
        await ConsumeAsync(channel, ct);
    }

    private async Task ConsumeAsync(IChannel channel, CancellationToken ct)
    {
        await channel.BasicQosAsync(0, (ushort)_prefetch, global: false, ct);
        _tag = await channel.BasicConsumeAsync(topology.NameOf(queue), autoAck: false, consumerTag: $"{topology.NameOf(queue)} {Guid.NewGuid():N}",
            noLocal: false, exclusive: false, arguments: null, this, ct);
    }

    private async Task AnswerAsync(double seconds, CancellationToken ct)
    {
        try
        {
            await onMarker(seconds, ct);
        }
        catch (Exception e)
        {
            log.Ignored("Answering a marker", e.Message); // another one is sent
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
