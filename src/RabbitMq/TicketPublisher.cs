using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.RabbitMq;

/// <summary>
/// E3, E4: publishes tickets behind the caller's back: persistent, mandatory, pipelined, confirms counted in a window with a deadline of our own.
/// Tickets are hints, so nothing is promised: while the broker is away a bounded number is kept and the rest dropped; the reconciler sends those again.
/// </summary>
internal sealed class TicketPublisher(
    BrokerConnection connection, IOptions<JobsOptions> options, Topology topology, BrokerTelemetry telemetry, TimeProvider time, ILogger<TicketPublisher> log) : IAsyncDisposable, IDisposable
{
    /// <summary>
    /// The broker reads a connection in one process of its own, which bounds what one connection can publish: two carry 1.6 times as much as one, four hardly
    /// more than three. Another lane is opened only when lists of tickets are waiting, so an app that enqueues now and then has one connection.
    /// </summary>
    private const int MaxLanes = 3;

    private const int Waiting = 256; // lists of tickets: at most that many statements' worth
    private static readonly TimeSpan FlushDeadline = TimeSpan.FromSeconds(5);

    private readonly Channel<IReadOnlyList<Ticket>> _incoming = Channel.CreateBounded<IReadOnlyList<Ticket>>(Waiting);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<BrokerConnection> _more = [];
    private volatile PublishLane[] _lanes = [];
    private long _dropped;

    /// <summary>Lists that wait to be sent.</summary>
    public int Backlog => _incoming.Reader.Count;

    /// <summary>Tickets sent and not confirmed.</summary>
    public int Unconfirmed => _lanes.Sum(l => l.Unconfirmed);

    /// <summary>Lanes with a connection, and all lanes.</summary>
    public (int Open, int All) Lanes => (_lanes.Count(l => l.Healthy), _lanes.Length);

    private bool Healthy => Array.Exists(_lanes, l => l.Healthy);

    /// <summary>
    /// Hands tickets over. Waits for room while the broker takes tickets, never while it does not.
    /// </summary>
    public ValueTask SendAsync(IReadOnlyList<Ticket> tickets, CancellationToken ct)
    {
        if (tickets.Count == 0 || _stop.IsCancellationRequested)
        {
            return ValueTask.CompletedTask;
        }

        var taken = _incoming.Writer.TryWrite(tickets);
        var lanes = _lanes.Length;
        if (lanes == 0 || (lanes < MaxLanes && _incoming.Reader.Count > lanes && Healthy))
        {
            OpenLane(lanes);
        }

        if (taken)
        {
            return ValueTask.CompletedTask;
        }

        if (Healthy)
        {
            return WaitForRoomAsync(tickets, ct);
        }

        Drop(tickets.Count);
        return ValueTask.CompletedTask;
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>Publishes what is left, for at most five seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_incoming.Writer.TryComplete())
        {
            return;
        }

        _stop.CancelAfter(Healthy ? FlushDeadline : TimeSpan.Zero);
        await Task.WhenAll(_lanes.Select(l => l.EndAsync()));
        await Task.WhenAll(_more.Select(async c => await c.DisposeAsync()));
        _stop.Dispose();
    }

    /// <summary>Counts tickets that nobody will publish; said once for each outage, with the sum at its end.</summary>
    internal void Drop(int count)
    {
        telemetry.Dropped.Add(count);
        if (Interlocked.Add(ref _dropped, count) == count)
        {
            log.TicketsDropped(count);
        }
    }

    /// <summary>A lane has a connection.</summary>
    internal void Connected()
    {
        if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
        {
            log.TicketsDropped(dropped);
        }
    }

    /// <summary>A lane has none. If no lane has, room is made, so that a caller who waited for a healthy broker is let go.</summary>
    internal void NotConnected()
    {
        while (!Healthy && _incoming.Reader.Count > Waiting / 2 && _incoming.Reader.TryRead(out var tickets))
        {
            Drop(tickets.Count);
        }
    }

    private void OpenLane(int open)
    {
        lock (_gate)
        {
            if (_lanes.Length == open && !_stop.IsCancellationRequested)
            {
                if (open > 0)
                {
                    _more.Add(new BrokerConnection(options.Value, $"publish {open + 1}", log, telemetry));
                }

                _lanes = [.. _lanes, new PublishLane(this, open == 0 ? connection : _more[^1], healthy: open == 0, _incoming.Reader, topology, telemetry, time, log, _stop.Token)];
                telemetry.Publisher = this;
            }
        }
    }

    private async ValueTask WaitForRoomAsync(IReadOnlyList<Ticket> tickets, CancellationToken ct)
    {
        while (await _incoming.Writer.WaitToWriteAsync(ct))
        {
            if (_incoming.Writer.TryWrite(tickets))
            {
                return;
            }

            if (!Healthy)
            {
                break;
            }
        }

        Drop(tickets.Count);
    }
}
