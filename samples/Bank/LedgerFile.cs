using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;

namespace Bank;

internal enum LedgerVerb
{
    Prepare,
    Refuse,
    Commit,
    Abort,
}

/// <summary>
/// The ledger's books, which are its prepare log too: a file that is only appended to, a line for every call. What is known of a transfer is what its lines say, read in their order; so recovery is reading them.
/// Nobody is answered before his line is on the disk. Lines that wait share one flush. One process has the file; the lock goes with it, however it ends.
/// </summary>
internal sealed class LedgerFile : IAsyncDisposable
{
    private const int MostWaiting = 1024;

    private readonly Dictionary<Guid, (LedgerVerb State, long Fence)> _known = [];
    private readonly Channel<(byte[] Line, TaskCompletionSource OnDisk)> _lines =
        Channel.CreateBounded<(byte[], TaskCompletionSource)>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });

    private readonly SemaphoreSlim _order = new(1);
    private readonly FileStream _file;
    private readonly Task _writing;

    /// <exception cref="IOException">Another process has the file.</exception>
    /// <exception cref="InvalidDataException">It is damaged elsewhere than in its last line.</exception>
    public LedgerFile(string path)
    {
        _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        var bytes = new byte[_file.Length];
        _file.ReadExactly(bytes);
        var (entries, whole) = Read(bytes);
        foreach (var entry in entries)
        {
            Take(entry.Verb, entry.Transfer, entry.Fence);
        }

        _file.SetLength(whole); // the last line was being written when its writer was killed: nobody was told of it
        _file.Position = whole;
        _writing = WriteAsync();
    }

    /// <summary>Writes the call down and says what the transfer is then. Verbs that come too late change nothing: what was committed or aborted stays so.</summary>
    /// <exception cref="InvalidOperationException">The call is older than one that was here.</exception>
    public async Task<LedgerVerb> WriteAsync(LedgerVerb verb, Guid transfer, long fence, Note note, CancellationToken ct)
    {
        var onDisk = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        LedgerVerb now;
        await _order.WaitAsync(ct); // lines stand in the file in the order in which they were judged
        try
        {
            now = Take(verb, transfer, fence);
            await _lines.Writer.WriteAsync((Line(verb, transfer, fence, note), onDisk), CancellationToken.None);
        }
        finally
        {
            _order.Release();
        }

        await onDisk.Task; // also by a repetition, whose first call may still be on its way there
        return now;
    }

    public async ValueTask DisposeAsync()
    {
        _lines.Writer.TryComplete();
        await _writing;
        await _file.DisposeAsync();
        _order.Dispose();
    }

    /// <summary>The entries, and how many bytes of the file are whole lines.</summary>
    /// <exception cref="InvalidDataException">A line that is not the last one is damaged.</exception>
    public static (IReadOnlyList<LedgerEntry> Entries, int Whole) Read(ReadOnlySpan<byte> bytes)
    {
        var (entries, whole) = (new List<LedgerEntry>(), 0);
        for (int end; (end = bytes[whole..].IndexOf((byte)'\n')) >= 0; whole += end + 1)
        {
            var line = Encoding.ASCII.GetString(bytes.Slice(whole, end));
            if (LedgerEntry.Parse(line) is not { } entry)
            {
                return whole + end + 1 == bytes.Length ? (entries, whole) : throw new InvalidDataException($"The ledger is damaged after {whole} bytes, in \"{line}\".");
            }

            entries.Add(entry);
        }

        return (entries, whole);
    }

    /// <summary>The one place that says what a call does to a transfer, for live calls and for recovery.</summary>
    private LedgerVerb Take(LedgerVerb verb, Guid transfer, long fence)
    {
        var known = _known.TryGetValue(transfer, out var before);
        if (known && fence < before.Fence)
        {
            throw new InvalidOperationException($"The call with fence {fence} for {transfer} is late: one with {before.Fence} was here.");
        }

        var now = (known ? before.State : (LedgerVerb?)null, verb) switch
        {
            (null, LedgerVerb.Commit) => throw new InvalidOperationException($"{transfer} is to be committed and was never prepared."),
            (null, _) => verb,
            (LedgerVerb.Prepare, LedgerVerb.Commit or LedgerVerb.Abort) => verb,
            (LedgerVerb.Refuse, LedgerVerb.Abort) => verb,
            ({ } state, _) => state,
        };
        _known[transfer] = (now, fence);
        return now;
    }

    private async Task WriteAsync()
    {
        List<TaskCompletionSource> waiting = [];
        using var batch = new MemoryStream();
        while (await _lines.Reader.WaitToReadAsync())
        {
            while (_lines.Reader.TryRead(out var next))
            {
                batch.Write(next.Line);
                waiting.Add(next.OnDisk);
            }

            try
            {
                _file.Write(batch.GetBuffer(), 0, (int)batch.Length);
                _file.Flush(flushToDisk: true);
            }
            catch (IOException e)
            {
                Environment.FailFast("The ledger cannot be written, and what is in memory is ahead of it.", e);
            }

            waiting.ForEach(w => w.SetResult());
            waiting.Clear();
            batch.SetLength(0);
        }
    }

    private static byte[] Line(LedgerVerb verb, Guid transfer, long fence, Note note) => Encoding.ASCII.GetBytes(new LedgerEntry(verb, transfer, fence, note).ToString());
}

/// <summary>One line: <c>VERB TRANSFER FENCE NUMBER FROM TO CENTS *CHECKSUM</c>.</summary>
internal sealed record LedgerEntry(LedgerVerb Verb, Guid Transfer, long Fence, Note Note)
{
    public override string ToString()
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{Verb} {Transfer} {Fence} {Note.Number} {Note.From} {Note.To} {Note.Cents}");
        return $"{text} *{Checksum(text)}\n";
    }

    /// <summary>Null: not a whole line.</summary>
    public static LedgerEntry? Parse(string line)
    {
        var star = line.LastIndexOf(" *", StringComparison.Ordinal);
        if (star < 0 || line[(star + 2)..] != Checksum(line[..star]) || line[..star].Split(' ') is not { Length: 7 } words || !Enum.TryParse<LedgerVerb>(words[0], out var verb))
        {
            return null;
        }

        var culture = CultureInfo.InvariantCulture;
        return new LedgerEntry(verb, Guid.Parse(words[1]), long.Parse(words[2], culture), new Note(int.Parse(words[3], culture), words[4], words[5], long.Parse(words[6], culture)));
    }

    private static string Checksum(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text)).AsSpan(0, 4));
}
