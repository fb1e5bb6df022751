using System.Diagnostics.CodeAnalysis;

namespace Jobs;

/// <summary>
/// The name of one job: a UUID of version 7, made by the client. Known before the insert, it makes an enqueue safe to repeat;
/// ordered by time, it keeps the indexes small and says how far back a look-up in history has to go.
/// </summary>
public readonly record struct JobId(Guid Value) : IParsable<JobId>
{
    private const long Second = 1000 << 12;
    private static long _newest; // its time: milliseconds since 1970, and the 4,096th of one

    /// <summary>
    /// A new id, greater than all that this process has made before, so that jobs keep the order in which it enqueues them: 60 bits of time (RFC 9562, 6.2, method 3) and 62 random ones. A clock that was put
    /// back by more than a second begins a new order.
    /// </summary>
    public static JobId New()
    {
        long time, newest;
        do
        {
            var ticks = TimeProvider.System.GetUtcNow().Ticks - DateTime.UnixEpoch.Ticks;
            time = ((ticks / TimeSpan.TicksPerMillisecond) << 12) | ((ticks % TimeSpan.TicksPerMillisecond << 12) / TimeSpan.TicksPerMillisecond);
            newest = Volatile.Read(ref _newest);
            if (time <= newest && newest - time < Second)
            {
                time = newest + 1;
            }
        }
        while (Interlocked.CompareExchange(ref _newest, time, newest) != newest);

        Span<byte> bytes = stackalloc byte[16];
        Guid.NewGuid().TryWriteBytes(bytes, bigEndian: true, out _); // its second half is as in version 7
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, (time >> 12 << 16) | 0x7000 | (time & 0xFFF));
        return new JobId(new Guid(bytes, bigEndian: true));
    }

    /// <summary>When the id was made, by the clock of the machine that made it. The epoch for ids that are not of version 7.</summary>
    public DateTimeOffset CreatedAt
    {
        get
        {
            if (Value.Version != 7)
            {
                return DateTimeOffset.UnixEpoch;
            }

            Span<byte> bytes = stackalloc byte[16];
            Value.TryWriteBytes(bytes, bigEndian: true, out _);
            long ms = 0;
            foreach (var b in bytes[..6])
            {
                ms = (ms << 8) | b;
            }

            return DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(ms, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));
        }
    }

    /// <summary>The least id that can have been made at this time; for ranges.</summary>
    internal static JobId Least(DateTimeOffset time)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, Math.Max(0, time.ToUnixTimeMilliseconds()) << 16);
        return new JobId(new Guid(bytes, bigEndian: true));
    }

    /// <exception cref="FormatException">Not a UUID.</exception>
    public static JobId Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var id) ? id : throw new FormatException($"\"{s}\" is not a job id; a job id looks like {Guid.Empty:D}.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out JobId result)
    {
        var ok = Guid.TryParse(s, out var value);
        result = new JobId(value);
        return ok;
    }

    /// <inheritdoc/>
    public override string ToString() => Value.ToString("D");
}
