using RabbitMQ.Client;
using DeliveryModes = RabbitMQ.Client.DeliveryModes;

namespace Jobs.RabbitMq;

/// <summary>
/// The properties of a ticket or marker. The client takes a priority of 0 for none and leaves it out, and the broker then assumes 4: a marker would overtake
/// tickets. So the zero is written here, where AMQP 0-9-1 has it: after the content type and the delivery mode.
/// </summary>
internal sealed class TicketProperties : IReadOnlyBasicProperties, IAmqpHeader
{
    private const string Text = "text/plain";
    private const int AfterDeliveryMode = 2 + 1 + 10 + 1; // flags, length of the content type, its ten letters, the delivery mode
    private const byte PriorityFlag = 0x08;                 // bit 11 of the flags, in their first byte

    private readonly BasicProperties _inner = new() { AppId = "jobs", DeliveryMode = DeliveryModes.Persistent, ContentType = Text };

    public byte Priority { get => _inner.Priority; set => _inner.Priority = value; }

    public string? MessageId { get => _inner.MessageId; set => _inner.MessageId = value; }

    public string? Type { get => _inner.Type; set => _inner.Type = value; }

    public AmqpTimestamp Timestamp { get => _inner.Timestamp; set => _inner.Timestamp = value; }

    public string? AppId => _inner.AppId;

    public string? ContentType => _inner.ContentType;

    public DeliveryModes DeliveryMode => _inner.DeliveryMode;

    public bool Persistent => true;

    public string? ClusterId => null;

    public string? ContentEncoding => null;

    public string? CorrelationId => null;

    public string? Expiration => null;

    public IDictionary<string, object?>? Headers => null;

    public string? ReplyTo => null;

    public PublicationAddress? ReplyToAddress => null;

    public string? UserId => null;

    ushort IAmqpHeader.ProtocolClassId => ((IAmqpHeader)_inner).ProtocolClassId;

    int IAmqpWriteable.GetRequiredBufferSize() => ((IAmqpWriteable)_inner).GetRequiredBufferSize() + (Priority == 0 ? 1 : 0);

    int IAmqpWriteable.WriteTo(Span<byte> span)
    {
        var n = ((IAmqpWriteable)_inner).WriteTo(span);
        if (Priority != 0)
        {
            return n;
        }

        span[AfterDeliveryMode..n].CopyTo(span[(AfterDeliveryMode + 1)..]);
        span[AfterDeliveryMode] = 0;
        span[0] |= PriorityFlag;
        return n + 1;
    }

    public bool IsAppIdPresent() => true;

    public bool IsClusterIdPresent() => false;

    public bool IsContentEncodingPresent() => false;

    public bool IsContentTypePresent() => true;

    public bool IsCorrelationIdPresent() => false;

    public bool IsDeliveryModePresent() => true;

    public bool IsExpirationPresent() => false;

    public bool IsHeadersPresent() => false;

    public bool IsMessageIdPresent() => _inner.IsMessageIdPresent();

    public bool IsPriorityPresent() => true;

    public bool IsReplyToPresent() => false;

    public bool IsTimestampPresent() => _inner.IsTimestampPresent();

    public bool IsTypePresent() => _inner.IsTypePresent();

    public bool IsUserIdPresent() => false;
}
