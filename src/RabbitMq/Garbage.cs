using RabbitMQ.Client;
using DeliveryModes = RabbitMQ.Client.DeliveryModes;

namespace Jobs.RabbitMq;

/// <summary>A message that cannot be used, copied out of the client's buffer, and why.</summary>
internal sealed record Garbage(byte[] Body, BasicProperties Properties, string Reason)
{
    /// <summary>With the properties it had, the reason in a header, and another header that says where it came from.</summary>
    public static Garbage Of(byte[] body, IReadOnlyBasicProperties properties, string reason, (string Name, string Value) origin)
    {
        // What the broker would act on when it is published again is taken off: a user who is not us is refused, CC and BCC are further addresses.
        var set = new BasicProperties(properties) { DeliveryMode = DeliveryModes.Persistent, Expiration = null, UserId = null };
        set.Headers = new Dictionary<string, object?>(set.Headers ?? new Dictionary<string, object?>()) { ["x-jobs-reason"] = reason, [origin.Name] = origin.Value };
        set.Headers.Remove("CC");
        set.Headers.Remove("BCC");
        return new Garbage(body, set, reason);
    }
}
