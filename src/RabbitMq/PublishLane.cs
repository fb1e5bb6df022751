using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using DeliveryModes = RabbitMQ.Client.DeliveryModes;

namespace Jobs.RabbitMq;

/// <summary>One connection of the publisher and the loop that feeds it, from the lists of tickets that all lanes share.</summary>
internal sealed class PublishLane
{
    private const int Window = 8192;
    private const int MaxReturns = 3;
    private static readonly TimeSpan ConfirmDeadline = TimeSpan.FromSeconds(10);

    private readonly TicketPublisher _publisher;
    private readonly BrokerTelemetry _telemetry;
    private readonly ChannelReader<IReadOnlyList<Ticket>> _incoming;
    private readonly BrokerConnection _connection;
    private readonly Topology _topology;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationToken _stop;
    private readonly Task _loop;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, CachedString?> _routes = [];   // null: a queue that cannot be declared
    private readonly List<Ticket> _again = [];              // unconfirmed, refused or returned: to be published once more; guarded by _gate
    private readonly Dictionary<JobId, int> _returns = [];  // guarded by _gate
    private readonly byte[] _body = new byte[TicketBody.MaxLength];
    private readonly BasicProperties _properties = new() { AppId = "jobs", DeliveryMode = DeliveryModes.Persistent };
    private PublishLink? _link;
    private volatile bool _healthy;

    public PublishLane(
        TicketPublisher publisher, BrokerConnection connection, bool healthy, ChannelReader<IReadOnlyList<Ticket>> incoming, Topology topology, BrokerTelemetry telemetry,
        TimeProvider time, ILogger log, CancellationToken stop)
    {
        (_publisher, _connection, _healthy, _incoming, _topology, _telemetry, _time, _log, _stop) = (publisher, connection, healthy, incoming, topology, telemetry, time, log, stop);
        _loop = Detached.Run(LoopAsync);
    }

    /// <summary>Whether there is a connection; at first what was assumed, true of the first lane.</summary>
    public bool Healthy => _healthy;

    /// <summary>Tickets sent and not confirmed.</summary>
    public int Unconfirmed => _link?.Window.Open ?? 0;

    /// <summary>Waits for the loop, which ends when all that came in is published and confirmed, or at the stop.</summary>
    public async Task EndAsync() => await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task LoopAsync()
    {
        using var watchdog = _time.CreateTimer(_ => WatchConfirms(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        for (var failures = 0; !_stop.IsCancellationRequested;)
        {
            PublishLink? link = null;
            try
            {
                link = await OpenAsync();
                await PublishAsync(link);
                await CloseAsync(link);
                return;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (link is not null)
            {
                // A channel is opened again at once; only one that never lived counts as a failure.
                failures = _time.GetElapsedTime(link.OpenedAt) > ConfirmDeadline ? 0 : failures + 1;
                Abandon(link, link.Reason ?? e.Message);
            }
            catch (Exception e)
            {
                _healthy = false;
                _publisher.NotConnected();
                _log.NotConnected("publish tickets", ++failures, e.Message);
            }

            if (failures > 1 || !_healthy)
            {
                await Task.Delay(Backoff.Delay(failures), _time, _stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<PublishLink> OpenAsync()
    {
        var connection = await _connection.GetAsync(_stop);
        var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false), _stop);
        var link = new PublishLink(connection, channel, new ConfirmWindow<Ticket>(Window), _time.GetTimestamp());
        channel.BasicAcksAsync += (_, e) =>
        {
            _telemetry.Confirmed.Add(link.Window.Settle(e.DeliveryTag, e.Multiple, _time.GetTimestamp()));
            return Task.CompletedTask;
        };
        channel.BasicNacksAsync += (_, e) =>
        {
            link.Window.Settle(e.DeliveryTag, e.Multiple, _time.GetTimestamp(), Again);
            link.Break("the broker refused tickets");
            return Task.CompletedTask;
        };
        channel.BasicReturnAsync += (_, e) =>
        {
            Returned(e);
            return Task.CompletedTask;
        };
        channel.ChannelShutdownAsync += (_, e) =>
        {
            link.Break(e.ReplyText);
            return Task.CompletedTask;
        };
        _routes.Clear();
        _link = link;
        _healthy = true;
        _publisher.Connected();
        return link;
    }

    private async Task PublishAsync(PublishLink link)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop, link.Broken);
        while (true)
        {
            await PublishAgainAsync(link, stop.Token);
            if (!_incoming.TryRead(out var tickets))
            {
                if (!await _incoming.WaitToReadAsync(stop.Token))
                {
                    return;
                }

                continue;
            }

            await PublishAllAsync(link, tickets, stop.Token);
        }
    }

    private async Task PublishAllAsync(PublishLink link, IReadOnlyList<Ticket> tickets, CancellationToken ct)
    {
        var i = 0;
        try
        {
            for (; i < tickets.Count; i++)
            {
                await PublishAsync(link, tickets[i], ct);
            }
        }
        catch
        {
            lock (_gate)
            {
                _again.AddRange(tickets.Skip(i)); // perhaps the first of them is in the window too: a duplicate is harmless
            }

            throw;
        }
        finally
        {
            _telemetry.Published.Add(i);
        }
    }

    private async Task PublishAsync(PublishLink link, Ticket ticket, CancellationToken ct)
    {
        if (!_routes.TryGetValue(ticket.Queue, out var route))
        {
            _routes.Add(ticket.Queue, route = await RouteAsync(link, ticket.Queue, ct));
        }

        if (route is null)
        {
            _publisher.Drop(1);
            return;
        }

        while (!link.Window.TryAdd(ticket, _time.GetTimestamp(), out var room))
        {
            await room.WaitAsync(ct);
        }

        var length = TicketBody.Write(_body, ticket.Id, ticket.Dispatch);
        _properties.MessageId = ticket.Id.ToString();
        _properties.Type = ticket.Type;
        _properties.Priority = WirePriority.Of(ticket.Priority);
        _properties.Timestamp = new AmqpTimestamp(_time.GetUtcNow().ToUnixTimeSeconds());
        CrashPoint.Hit("E3");
        await link.Channel.BasicPublishAsync(CachedString.Empty, route, mandatory: true, _properties, _body.AsMemory(0, length), ct);
    }

    private async Task<CachedString?> RouteAsync(PublishLink link, string queue, CancellationToken ct)
    {
        try
        {
            await _topology.DeclareAsync(link.Connection, queue, ct);
            return new CachedString(_topology.NameOf(queue));
        }
        catch (JobsException e)
        {
            _log.QueueRefused(queue, e.Message); // the other queues go on
            return null;
        }
    }

    private async Task PublishAgainAsync(PublishLink link, CancellationToken ct)
    {
        while (true)
        {
            List<Ticket> again;
            lock (_gate)
            {
                if (_again.Count == 0)
                {
                    return;
                }

                again = [.. _again];
                _again.Clear();
            }

            _telemetry.Repeated.Add(again.Count);
            await PublishAllAsync(link, again, ct);
        }
    }

    private async Task CloseAsync(PublishLink link)
    {
        // All is published; E4 is when the last confirm is in.
        while (link.Window.Open > 0 && !_stop.IsCancellationRequested && link.Channel.IsOpen)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), _time, _stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await link.Channel.DisposeAsync();
    }

    private void Again(Ticket ticket)
    {
        lock (_gate)
        {
            _again.Add(ticket);
        }
    }

    private void Returned(BasicReturnEventArgs e)
    {
        // Unroutable: the queue was deleted. The broker confirms a returned message too, so the window needs no word of it.
        if (!TicketBody.TryRead(e.Body.Span, out var id, out var dispatch))
        {
            return;
        }

        _telemetry.Returned.Add(1);
        var queue = e.RoutingKey[(_topology.NameOf("").Length)..];
        lock (_gate)
        {
            var times = _returns[id] = _returns.GetValueOrDefault(id) + 1;
            if (times > MaxReturns)
            {
                _returns.Remove(id); // the reconciler sends it
                return;
            }

            if (_returns.Count > Window)
            {
                _returns.Clear();
            }

            _again.Add(new Ticket(id, dispatch, queue, e.BasicProperties.Priority, e.BasicProperties.Type ?? ""));
        }

        // Declaring it again is the loop's work: it starts over with a new channel and an empty table of routes.
        _link?.Break($"queue {e.RoutingKey} was missing and is declared again");
    }

    private void WatchConfirms()
    {
        if (_link is { } link && link.Window.Open > 0 && _time.GetElapsedTime(link.Window.ProgressAt) > ConfirmDeadline)
        {
            link.Break("no confirm came in time");
        }
    }

    /// <summary>On any doubt the channel is thrown away and its window treated as unknown: published again, a duplicate is harmless.</summary>
    private void Abandon(PublishLink link, string reason)
    {
        _link = null;
        var unconfirmed = link.Window.Abandon();
        lock (_gate)
        {
            _again.InsertRange(0, unconfirmed);
            if (_again.Count > 2 * Window)
            {
                _publisher.Drop(_again.Count - (2 * Window));
                _again.RemoveRange(2 * Window, _again.Count - (2 * Window));
            }
        }

        _log.PublisherBroken(reason, unconfirmed.Count);
        _ = DiscardAsync(link);
    }

    private async Task DiscardAsync(PublishLink link)
    {
        try
        {
            await link.Channel.AbortAsync();
            await link.Channel.DisposeAsync();
        }
        catch (Exception e)
        {
            _log.Ignored("Closing a broken channel", e.Message);
        }
    }
}
