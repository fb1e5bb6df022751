using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Jobs.RabbitMq;

/// <summary>
/// The queues on the broker: one quorum queue for each queue of jobs, one for messages that are not tickets, and one, behind an exchange of the same name, for the jobs
/// that other programs submit. Tickets go through the default exchange.
/// </summary>
internal sealed class Topology(JobsOptions options)
{
    /// <summary>
    /// How often the broker hands out a ticket that nobody acknowledged before it sets it aside. Tickets are acknowledged at the claim, so this
    /// only counts workers that died or lost their channel with the ticket in their buffer. One set aside by mistake is sent again by the reconciler.
    /// </summary>
    private const int DeliveryLimit = 100;

    /// <summary>A message that is to become a job is the only copy: it is never set aside for having been delivered often.</summary>
    private const int NoLimit = -1;

    /// <summary>What the queue of malformed messages holds at most; the oldest go first.</summary>
    private const int MalformedLength = 100_000;

    public string Malformed { get; } = $"{options.Schema}.{QueueName.Malformed}";

    /// <summary>The exchange for jobs of other programs, and its queue.</summary>
    public string Submit { get; } = $"{options.Schema}.{QueueName.Submit}";

    public string NameOf(string queue) => $"{options.Schema}.{queue}";

    /// <summary>Declares the queue, for submitted jobs with its exchange, and the one for malformed messages, on a channel of its own. Safe to repeat.</summary>
    public async Task DeclareAsync(IConnection connection, string queue, CancellationToken ct)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: ct);
        try
        {
            await channel.QueueDeclareAsync(Malformed, durable: true, exclusive: false, autoDelete: false, Arguments(
                ("x-max-length", MalformedLength), ("x-overflow", "drop-head")), cancellationToken: ct);
            await channel.QueueDeclareAsync(NameOf(queue), durable: true, exclusive: false, autoDelete: false, Arguments(
                ("x-delivery-limit", queue == QueueName.Submit ? NoLimit : DeliveryLimit), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", Malformed)), cancellationToken: ct);
            if (queue == QueueName.Submit)
            {
                await channel.ExchangeDeclareAsync(Submit, ExchangeType.Topic, durable: true, cancellationToken: ct);
                await channel.QueueBindAsync(Submit, Submit, "#", cancellationToken: ct);
            }
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 406 && queue == QueueName.Submit)
        {
            throw new JobsException($"Queue or exchange {Submit}, or queue {Malformed}, exists on the broker with other settings ({e.ShutdownReason.ReplyText}). "
                + "Empty it and delete it, or use another JobsOptions.Schema.", e);
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 406)
        {
            throw new JobsException($"Queue {NameOf(queue)} or {Malformed} exists on the broker with other settings ({e.ShutdownReason.ReplyText}). "
                + "Delete it (its jobs are safe in Postgres and are dispatched again), or use another JobsOptions.Schema.", e);
        }
    }

    /// <summary>How many messages are ready in the queue; null when the queue is not there.</summary>
    public async Task<uint?> DepthAsync(IConnection connection, string queue, CancellationToken ct)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: ct);
        try
        {
            return (await channel.QueueDeclarePassiveAsync(NameOf(queue), ct)).MessageCount;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
        {
            return null;
        }
    }

    private static Dictionary<string, object?> Arguments(params ReadOnlySpan<(string Name, object Value)> more)
    {
        var arguments = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
        foreach (var (name, value) in more)
        {
            arguments[name] = value;
        }

        return arguments;
    }
}
