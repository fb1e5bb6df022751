using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Worker;

/// <summary>One line as a handler wrote it.</summary>
internal readonly record struct LogLine(DateTimeOffset At, LogLevel Level, string Category, string Text, string? Error, List<string>? Scopes);

/// <summary>
/// What one attempt has written to its loggers and is not in the database yet: lines as JSON, in order, in bounded memory. Past its limits it only counts, and says so in the log itself: when the limit is
/// reached, and how many lines were left out when the attempt ends.
/// </summary>
internal sealed class AttemptLog(JobId job, int attempt, LogWriter writer, TimeProvider time)
{
    public const int MaxLines = 1000;
    public const int MaxBytes = 256 * 1024;
    public const int MaxLineBytes = 8 * 1024;
    private const int MaxScopesBytes = 1024;
    private const string Category = "Jobs"; // of the lines about the log itself

    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Json)? _scratch;

    private readonly Lock _gate = new();
    private ArrayBufferWriter<byte>? _pending;
    private int _lines;     // numbers given
    private int _bytes;
    private int _over;      // left out because of this attempt's limits
    private int _dropped;   // left out because the writer was full
    private bool _closed;

    /// <summary>Never waits and never throws: the handler's line is kept, or counted.</summary>
    public void Add(LogLine line)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            if (_over > 0 || _lines >= MaxLines)
            {
                Over();
                return;
            }

            var json = Write(line);
            if (_bytes + json.Length > MaxBytes)
            {
                Over();
            }
            else if (!writer.TryHold(json.Length + 1))
            {
                _dropped++;
            }
            else
            {
                _bytes += json.Length;
                Append(json);
            }
        }
    }

    /// <summary>The attempt has ended: nothing is added any more, but how much was left out.</summary>
    public void Close()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            if (_over + _dropped > 0)
            {
                var dropped = _dropped == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" ({_dropped:N0} of them because too many lines of this worker were waiting for Postgres)");
                Own(string.Create(CultureInfo.InvariantCulture, $"{_over + _dropped:N0} lines were left out{dropped}."));
            }
        }
    }

    /// <summary>All that waits, for one row; null when nothing does.</summary>
    public LogRow? Take()
    {
        lock (_gate)
        {
            if (_pending is null)
            {
                return null;
            }

            _pending.Write("]"u8);
            var row = new LogRow(job.Value, attempt, _lines, _pending.WrittenSpan.ToArray());
            _pending = null;
            return row;
        }
    }

    private void Over()
    {
        if (_over++ == 0)
        {
            Own(string.Create(CultureInfo.InvariantCulture, $"This attempt has written as much as is kept ({MaxLines:N0} lines, {MaxBytes / 1024} KB): what follows is left out."));
        }
    }

    /// <summary>A line about the log, outside of its limits: there are two at most.</summary>
    private void Own(string text)
    {
        var json = Write(new LogLine(time.GetUtcNow(), LogLevel.Warning, Category, text, null, null));
        writer.Hold(json.Length + 1);
        Append(json);
    }

    private void Append(ReadOnlySpan<byte> json)
    {
        var first = _pending is null;
        _pending ??= new ArrayBufferWriter<byte>(Math.Max(256, json.Length + 2));
        _pending.Write(first ? "["u8 : ","u8);
        _pending.Write(json);
        _lines++;
        if (first)
        {
            writer.Add(this);
        }
    }

    /// <summary>On scratch memory of this thread; no code of others runs meanwhile.</summary>
    private static ReadOnlySpan<byte> Write(LogLine line)
    {
        var (buffer, json) = _scratch ??= NewScratch();
        buffer.ResetWrittenCount();
        json.Reset();
        json.WriteStartObject();
        json.WriteString("at"u8, line.At);
        json.WriteString("level"u8, line.Level.ToString());
        json.WriteString("category"u8, line.Category);
        var left = MaxLineBytes;
        json.WriteString("text"u8, Cut(line.Text, ref left));
        if (line.Error is { } error)
        {
            json.WriteString("error"u8, Cut(error, ref left));
        }

        if (line.Scopes is { } scopes)
        {
            left = Math.Min(left, MaxScopesBytes);
            json.WriteStartArray("scopes"u8);
            foreach (var scope in scopes)
            {
                json.WriteStringValue(Cut(scope, ref left));
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan;
    }

    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Json) NewScratch()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        return (buffer, new Utf8JsonWriter(buffer, Relaxed));
    }

    /// <summary>As much of it as fits, in UTF-8, and without the one character that Postgres cannot give back.</summary>
    private static string Cut(string? text, ref int left)
    {
        text ??= "";
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            text = text.Replace('\0', '\uFFFD');
        }

        var bytes = text.Length * 3 <= left ? text.Length : Encoding.UTF8.GetByteCount(text); // of a short one it does not matter
        if (bytes <= left)
        {
            left -= bytes;
            return text;
        }

        const string Ellipsis = "...";
        var (end, room) = (0, Math.Max(0, left - Ellipsis.Length));
        foreach (var rune in text.EnumerateRunes())
        {
            if ((room -= rune.Utf8SequenceLength) < 0)
            {
                break;
            }

            end += rune.Utf16SequenceLength;
        }

        left = 0;
        return string.Concat(text.AsSpan(0, end), Ellipsis);
    }
}
