using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.Tests.Faults;

/// <summary>A plain AMQP client beside the platform: looks, purges, deletes, publishes what it likes.</summary>
internal sealed class Broker(string uri, string schema)
{
    public string NameOf(string queue) => $"{schema}.{queue}";

    public Task<IConnection> ConnectAsync() => new ConnectionFactory { Uri = new Uri(uri), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();

    /// <summary>Messages ready in the queue; null when it does not exist.</summary>
    public async Task<uint?> DepthAsync(string queue = "default")
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        try
        {
            return (await channel.QueueDeclarePassiveAsync(NameOf(queue))).MessageCount;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
        {
            return null;
        }
    }

    public async Task<uint> PurgeAsync(string queue = "default")
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        return await channel.QueuePurgeAsync(NameOf(queue));
    }

    public async Task<uint> DeleteAsync(params IEnumerable<string> queues)
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        var messages = 0u;
        foreach (var queue in queues)
        {
            messages += await channel.QueueDeleteAsync(NameOf(queue));
            if (queue == "submit")
            {
                await channel.ExchangeDeleteAsync(NameOf(queue));
            }
        }

        return messages;
    }

    /// <summary>Publishes with confirms, all at once.</summary>
    public async Task PublishAsync(IEnumerable<(BasicProperties Properties, byte[] Body)> messages, string queue = "default", string? user = null)
    {
        var factory = new ConnectionFactory { Uri = new Uri(uri), AutomaticRecoveryEnabled = false };
        if (user is not null)
        {
            (factory.UserName, factory.Password) = (user, user);
        }

        await using var connection = await factory.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        var confirms = messages.Select(m => channel.BasicPublishAsync("", NameOf(queue), mandatory: true, m.Properties, m.Body).AsTask()).ToList();
        await Task.WhenAll(confirms);
    }

    /// <summary>Takes everything out of the queue.</summary>
    public async Task<List<BasicGetResult>> DrainAsync(string queue)
    {
        await using var connection = await ConnectAsync();
        await using var channel = await connection.CreateChannelAsync();
        var messages = new List<BasicGetResult>();
        while (await channel.BasicGetAsync(NameOf(queue), autoAck: true) is { } message)
        {
            messages.Add(message);
        }

        return messages;
    }
}
