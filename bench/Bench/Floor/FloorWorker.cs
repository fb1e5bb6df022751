using System.Threading.Channels;
using RabbitMQ.Client;

namespace Jobs.Bench.Floor;

/// <summary>
/// Consume, claim, acknowledge, end. Two loops, each with a connection of its own: while one batch is being ended the next is being claimed. Each takes what
/// is waiting and never waits for more. There are no handlers: a claimed job is handled at once, so a claim takes at most as many as there are slots.
/// </summary>
internal sealed class FloorWorker : IAsyncDisposable
{
    private const int MaxEnd = 500;

    /// <summary>Tickets ahead of each slot. With fewer the broker is waited for, with more nothing is gained.</summary>
    private const int PrefetchFactor = 5;

    private readonly Work _work;
    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly FloorStatement _claim;
    private readonly FloorStatement _end;
    private readonly Channel<(Guid Id, ulong Tag)> _delivered;
    private readonly Channel<Guid[]> _claimed = Channel.CreateBounded<Guid[]>(new BoundedChannelOptions(64) { SingleReader = true, SingleWriter = true });
    private Task _loops = Task.CompletedTask;
    private long _claimedCount;
    private long _endedCount;

    private FloorWorker(Work work, IConnection connection, IChannel channel, FloorStatement claim, FloorStatement end)
    {
        (_work, _connection, _channel, _claim, _end) = (work, connection, channel, claim, end);
        _delivered = Channel.CreateBounded<(Guid, ulong)>(new BoundedChannelOptions(PrefetchFactor * work.Concurrency) { SingleReader = true, SingleWriter = true });
    }

    public static async Task<FloorWorker> StartAsync(string schema, Work work)
    {
        var connection = await Servers.ConnectAsync();
        var worker = new FloorWorker(work, connection, await connection.CreateChannelAsync(),
            await FloorStatement.PrepareAsync("floor_claim", schema), await FloorStatement.PrepareAsync("floor_end", schema));
        worker._loops = Task.WhenAll(Task.Run(worker.ClaimAsync), Task.Run(worker.EndAsync));
        _ = worker._loops.ContinueWith(t => work.Handled.Fail(t.Exception!), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        await worker._channel.BasicQosAsync(0, (ushort)(PrefetchFactor * work.Concurrency), global: false);
        await worker._channel.BasicConsumeAsync($"{schema}.{work.Queue}", autoAck: false, new Consumer(worker._channel, worker._delivered.Writer));
        return worker;
    }

    public async Task EndedAsync()
    {
        while (Volatile.Read(ref _endedCount) < Volatile.Read(ref _claimedCount))
        {
            if (_loops.IsFaulted)
            {
                await _loops;
            }

            await Task.Delay(1);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
        _delivered.Writer.TryComplete();
        await _loops;
        await _claim.DisposeAsync();
        await _end.DisposeAsync();
    }

    private async Task ClaimAsync()
    {
        var ids = new List<Guid>(_work.Concurrency);
        while (await _delivered.Reader.WaitToReadAsync())
        {
            ids.Clear();
            ulong last = 0;
            while (ids.Count < _work.Concurrency && _delivered.Reader.TryRead(out var delivery))
            {
                ids.Add(delivery.Id);
                last = delivery.Tag;
            }

            var claimed = await _claim.ClaimAsync([.. ids]);
            Volatile.Write(ref _claimedCount, _claimedCount + claimed.Length);
            _work.Handled.Add(claimed.Length);
            await _claimed.Writer.WriteAsync(claimed);
            if (_channel.IsOpen)
            {
                await _channel.BasicAckAsync(last, multiple: true);
            }
        }

        _claimed.Writer.Complete();
    }

    private async Task EndAsync()
    {
        var ids = new List<Guid>(MaxEnd);
        while (await _claimed.Reader.WaitToReadAsync())
        {
            ids.Clear();
            while (ids.Count < MaxEnd && _claimed.Reader.TryRead(out var claimed))
            {
                ids.AddRange(claimed);
            }

            await _end.ExecuteAsync([.. ids]);
            Volatile.Write(ref _endedCount, _endedCount + ids.Count);
        }
    }

    private sealed class Consumer(IChannel channel, ChannelWriter<(Guid, ulong)> delivered) : AsyncDefaultBasicConsumer(channel)
    {
        public override Task HandleBasicDeliverAsync(
            string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
            IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        {
            delivered.TryWrite((new Guid(body.Span), deliveryTag)); // there is room: the prefetch is no larger
            return Task.CompletedTask;
        }
    }
}
