namespace Jobs.RabbitMq;

/// <summary>
/// Priorities as they are sent. The client takes 0 for "none" and leaves it out, and the broker then assumes 4, so that a marker would overtake tickets.
/// Hence 0 is sent as 1: jobs of priority 0 and 1 share a level, first come first served, and a marker is behind every older ticket.
/// </summary>
internal static class WirePriority
{
    public static byte Of(byte priority) => Math.Max(priority, (byte)1);
}
