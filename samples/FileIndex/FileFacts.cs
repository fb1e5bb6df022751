using System.Buffers;
using System.Security.Cryptography;

namespace FileIndex;

/// <summary>What the index knows about a file.</summary>
/// <param name="Sha256">In lower-case hex.</param>
/// <param name="Size">In bytes.</param>
/// <param name="Lines">The number of line feeds.</param>
/// <param name="ContentType">As its bytes suggest, not its name.</param>
public sealed record FileFacts(string Sha256, long Size, long Lines, string ContentType)
{
    private const int BufferSize = 128 * 1024;

    /// <summary>Reads the file once, in pieces.</summary>
    public static async Task<FileFacts> ReadAsync(string path, CancellationToken ct)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0, FileOptions.SequentialScan);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var (size, lines, type) = (0L, 0L, MediaType.Empty);
            for (int read; (read = await file.ReadAsync(buffer, ct)) > 0; size += read)
            {
                var piece = buffer.AsSpan(0, read);
                type = size == 0 ? MediaType.Of(piece) : type;
                lines += piece.Count((byte)'\n');
                hash.AppendData(piece);
            }

            return new FileFacts(Convert.ToHexStringLower(hash.GetHashAndReset()), size, lines, type);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
