using RabbitMQ.Client;

namespace Jobs.RabbitMq;

/// <summary>One channel for publishing tickets and all that dies with it.</summary>
internal sealed record PublishLink(IConnection Connection, IChannel Channel, ConfirmWindow<Ticket> Window, long OpenedAt)
{
    private readonly CancellationTokenSource _broken = new();

    /// <summary>Cancelled when the channel is to be given up.</summary>
    public CancellationToken Broken => _broken.Token;

    /// <summary>Why; the first reason counts.</summary>
    public string? Reason { get; private set; }

    public void Break(string reason)
    {
        Reason ??= reason;
        _broken.Cancel();
    }
}
