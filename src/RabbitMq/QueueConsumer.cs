using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Jobs.RabbitMq;

/// <summary>What has been delivered, by whom it came, and under which tag it is acknowledged there.</summary>
internal interface IDelivery
{
    /// <summary>The broker's number for it on its channel.</summary>
    ulong Tag { get; }

    /// <summary>Which of the consumer's channels, counted from 1.</summary>
    int Channel { get; }
}

/// <summary>
/// Consumes one queue into a buffer that its user empties. The broker's prefetch bounds the buffer. A broken channel takes its buffered deliveries with it: the broker
/// delivers them again.
/// </summary>
internal abstract class QueueConsumer<T>(BrokerConnection connection, Topology topology, string queue, int prefetch, TimeProvider time, ILogger log)
    where T : struct, IDelivery
{
    private const string Paused = "paused";
    private const string Resized = "resized";

#pragma warning disable RS0030 // bounded by the prefetch
    private readonly Channel<T> _buffer = Channel.CreateUnbounded<T>();
#pragma warning restore RS0030
    private volatile Link? _link;
    private int _links;
    private int _prefetch = prefetch;
    private readonly Lock _pause = new();
    private volatile TaskCompletionSource _go = Gone();

    /// <summary>There are no deliveries until <see cref="Resume"/>.</summary>
    public bool IsPaused => !_go.Task.IsCompleted;

    /// <summary>Deliveries in the buffer, stale ones included.</summary>
    public int Buffered => _buffer.Reader.Count;

    /// <summary>How many messages the broker may push ahead.</summary>
    public int Window => Volatile.Read(ref _prefetch);

    /// <summary>Whether the broker delivers to it.</summary>
    public bool IsConsuming => _link is { Channel.IsOpen: true };

    /// <summary>Consumes until <paramref name="ct"/> says to stop, opening a new channel whenever one breaks.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        for (var failures = 0; !ct.IsCancellationRequested;)
        {
            try
            {
                if (IsPaused)
                {
                    await CloseAsync();
                    await _go.Task.WaitAsync(ct);
                }

                var link = await OpenAsync(ct);
                failures = 0;
                if (IsPaused)
                {
                    link.Break(Paused); // it was paused while the channel opened
                }

                if (await link.Broken.Task.WaitAsync(ct) is var reason && reason is not (Paused or Resized))
                {
                    log.ConsumerBroken(queue, reason);
                }
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

    /// <summary>No deliveries until <see cref="Resume"/>. What is in the buffer goes back to the broker, to its place in the queue, where it counts as ready.</summary>
    public void Pause()
    {
        lock (_pause)
        {
            if (!IsPaused)
            {
                _go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _link?.Break(Paused);
            }
        }
    }

    /// <summary>Deliveries go on. Nothing happens if they had not been paused.</summary>
    public void Resume() => _go.TrySetResult();

    /// <summary>Stops deliveries at once. What is in the buffer goes back to the broker when the channel closes.</summary>
    public async Task CloseAsync()
    {
        if (_link is not { } link)
        {
            return;
        }

        _link = null;
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(3), time);
            await link.Channel.CloseAsync(deadline.Token);
            await link.Channel.DisposeAsync();
        }
        catch (Exception e)
        {
            log.Ignored($"Closing the channel of {queue}", e.Message);
        }
    }

    /// <summary>Changes how many messages the broker may push ahead. A prefetch is fixed for a consumer's life, so a new one takes its place on the same channel.</summary>
    public async Task ResizeAsync(int prefetch, CancellationToken ct)
    {
        if (_link is not { Channel.IsOpen: true } link)
        {
            return;
        }

        try
        {
            _prefetch = prefetch;
            await link.Channel.BasicCancelAsync(link.Tag, noWait: false, ct);
            await ConsumeAsync(link, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            link.Break($"changing the prefetch: {e.Message}");
        }
    }

    /// <summary>Changes the same, and has what is in the buffer go back to the broker: there may be more than that in it. Safe at any time.</summary>
    public void Reopen(int prefetch)
    {
        Volatile.Write(ref _prefetch, prefetch);
        _link?.Break(Resized);
    }

    /// <summary>Ends when the buffer holds something; false at the end of the consumer's life.</summary>
    public ValueTask<bool> WaitAsync(CancellationToken ct) => _buffer.Reader.WaitToReadAsync(ct);

    /// <summary>The next delivery of the channel that is open now.</summary>
    public bool TryTake(out T delivery)
    {
        while (_buffer.Reader.TryRead(out delivery))
        {
            if (IsCurrent(delivery))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the channel that it came by is still there, so that it can be acknowledged.</summary>
    public bool IsCurrent(T delivery) => _link is { IsBroken: false } link && link.Number == delivery.Channel;

    /// <summary>Gives the channel up, and with it every delivery that is not acknowledged; a new one is opened.</summary>
    public void Break(string reason) => _link?.Break(reason);

    /// <summary>X4: acknowledges everything up to this delivery at once. Nothing happens if its channel is gone: the broker delivers again, to somebody who finds the work done.</summary>
    public async Task AckThroughAsync(T last, CancellationToken ct)
    {
        if (_link is not { IsBroken: false } link || link.Number != last.Channel)
        {
            return;
        }

        try
        {
            await link.Channel.BasicAckAsync(last.Tag, multiple: true, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            link.Break(e.Message);
        }
    }

    /// <summary>Moves what cannot be used to the queue of malformed messages. Returns when the broker has confirmed all of it.</summary>
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
        connection.Telemetry?.Malformed.Add(garbage.Count);
        log.Malformed(garbage.Count, topology.NameOf(queue), topology.Malformed, garbage[0].Reason);
    }

    /// <summary>Makes a delivery of a message. The body is only valid during the call; nothing may be thrown.</summary>
    protected abstract T Read(ulong tag, int channel, string exchange, string routingKey, IReadOnlyBasicProperties properties, ReadOnlySpan<byte> body,
        CancellationToken ct);

    private static TaskCompletionSource Gone()
    {
        var source = new TaskCompletionSource();
        source.SetResult();
        return source;
    }

    private async Task<Link> OpenAsync(CancellationToken ct)
    {
        await CloseAsync();
        while (_buffer.Reader.TryRead(out _))
        {
            // of channels that are gone; a user who is held up must not find a longer buffer after each outage
        }

        var open = await connection.GetAsync(ct);
        await topology.DeclareAsync(open, queue, ct);
        var channel = await open.CreateChannelAsync(cancellationToken: ct);
        var link = new Link(this, channel, ++_links);
        channel.DefaultConsumer = link; // a delivery that was under way when its consumer was cancelled is one like any other
        _link = link;
        await ConsumeAsync(link, ct);
        return link;
    }

    private async Task ConsumeAsync(Link link, CancellationToken ct)
    {
        await link.Channel.BasicQosAsync(0, (ushort)_prefetch, global: false, ct);
        link.Tag = await link.Channel.BasicConsumeAsync(topology.NameOf(queue), autoAck: false, consumerTag: $"{topology.NameOf(queue)} {Guid.NewGuid():N}",
            noLocal: false, exclusive: false, arguments: null, link, ct);
    }

    /// <summary>One channel. Its number goes with each delivery, so that a tag is never acknowledged on another channel, where it would mean another message.</summary>
    private sealed class Link(QueueConsumer<T> consumer, IChannel channel, int number) : IAsyncBasicConsumer
    {
        public IChannel Channel => channel;

        public int Number => number;

        public string Tag { get; set; } = "";

        public TaskCompletionSource<string> Broken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>It is to be closed: what it has delivered goes back.</summary>
        public bool IsBroken => Broken.Task.IsCompleted;

        public void Break(string reason) => Broken.TrySetResult(reason);

        public Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
            IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        {
            consumer._buffer.Writer.TryWrite(consumer.Read(deliveryTag, number, exchange, routingKey, properties, body.Span, cancellationToken));
            return Task.CompletedTask;
        }

        public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken)
        {
            Break("the broker cancelled the consumer: the queue was deleted or moved");
            return Task.CompletedTask;
        }

        public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason)
        {
            Break(reason.ReplyText);
            return Task.CompletedTask;
        }

        public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
