using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Jobs.Bench.Floor;

/// <summary>Publishes ids as persistent messages on a connection of its own and counts the confirms; at most <see cref="Window"/> are outstanding.</summary>
internal sealed class FloorPublisher : IAsyncDisposable
{
    private const ulong Window = 8192;

    private readonly IConnection _connection;
    private readonly IChannel _channel;
    private readonly BasicProperties _properties = new() { DeliveryMode = DeliveryModes.Persistent };
    private readonly byte[] _body = new byte[16];
    private readonly HashSet<ulong> _early = []; // confirmed before a lower one; touched by the client's callbacks only
    private ulong _published;
    private ulong _confirmed;
    private TaskCompletionSource? _progress;

    private FloorPublisher(IConnection connection, IChannel channel)
    {
        (_connection, _channel) = (connection, channel);
        channel.BasicAcksAsync += (_, e) =>
        {
            Confirm(e);
            return Task.CompletedTask;
        };
        channel.BasicNacksAsync += (_, _) => throw new BenchException("The broker refused a message; there is nothing to measure. See its log.");
    }

    public static async Task<FloorPublisher> OpenAsync()
    {
        var connection = await Servers.ConnectAsync();
        return new(connection, await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false)));
    }

    /// <summary>Hands one message to the client. One caller at a time.</summary>
    public async ValueTask PublishAsync(CachedString queue, Guid id)
    {
        if (_published - Volatile.Read(ref _confirmed) >= Window)
        {
            await ConfirmedAsync(_published - Window + 1);
        }

        _published++;
        id.TryWriteBytes(_body);
        await _channel.BasicPublishAsync(CachedString.Empty, queue, mandatory: false, _properties, _body);
    }

    /// <summary>Ends when all that was published so far is confirmed.</summary>
    public Task AllConfirmedAsync() => ConfirmedAsync(_published);

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private async Task ConfirmedAsync(ulong number)
    {
        while (Volatile.Read(ref _confirmed) < number)
        {
            var progress = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Volatile.Write(ref _progress, progress);
            if (Volatile.Read(ref _confirmed) < number)
            {
                await progress.Task;
            }
        }
    }

    private void Confirm(BasicAckEventArgs ack)
    {
        var confirmed = _confirmed;
        if (ack.Multiple || ack.DeliveryTag == confirmed + 1)
        {
            confirmed = Math.Max(confirmed, ack.DeliveryTag);
        }
        else
        {
            _early.Add(ack.DeliveryTag);
        }

        while (_early.Count > 0 && _early.Remove(confirmed + 1))
        {
            confirmed++;
        }

        Volatile.Write(ref _confirmed, confirmed);
        Interlocked.MemoryBarrier();
        Interlocked.Exchange(ref _progress, null)?.TrySetResult();
    }
}
