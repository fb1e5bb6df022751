using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Jobs.RabbitMq;

/// <summary>The bodies of the two kinds of message in a queue of jobs, readable in the management UI: <c>ID DISPATCH</c> and <c>marker SECONDS</c>.</summary>
internal static class TicketBody
{
    public const int MaxLength = 48;
    private static ReadOnlySpan<byte> MarkerWord => "marker "u8;

    /// <returns>How many bytes were written.</returns>
    public static int Write(Span<byte> body, JobId id, int dispatch)
    {
        Utf8Formatter.TryFormat(id.Value, body, out var n, 'D');
        body[n++] = (byte)' ';
        Utf8Formatter.TryFormat(dispatch, body[n..], out var m);
        return n + m;
    }

    public static bool TryRead(ReadOnlySpan<byte> body, out JobId id, out int dispatch)
    {
        var ok = Utf8Parser.TryParse(body, out Guid value, out var n, 'D') && body.Length > n + 1 && body[n] == ' ';
        dispatch = 0;
        ok = ok && Utf8Parser.TryParse(body[(n + 1)..], out dispatch, out var m) && n + 1 + m == body.Length && dispatch > 0;
        id = new JobId(value);
        return ok;
    }

    public static byte[] Marker(double seconds) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"marker {seconds:R}"));

    public static bool TryReadMarker(ReadOnlySpan<byte> body, out double seconds)
    {
        seconds = 0;
        return body.StartsWith(MarkerWord) && Utf8Parser.TryParse(body[MarkerWord.Length..], out seconds, out var n) && MarkerWord.Length + n == body.Length
            && double.IsFinite(seconds) && seconds is > 0 and < 1e11;
    }
}
