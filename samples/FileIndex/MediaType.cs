using System.Text.Unicode;

namespace FileIndex;

/// <summary>Guesses what a file holds from its first bytes.</summary>
internal static class MediaType
{
    public const string Empty = "application/x-empty";
    private const string Binary = "application/octet-stream";
    private const int Looked = 4096;

    private static readonly (byte[] Start, string Type)[] Magic =
    [
        ([(byte)'M', (byte)'Z'], "application/vnd.microsoft.portable-executable"),
        ([0x7F, .. "ELF"u8], "application/x-elf"),
        ([.. "PK"u8, 3, 4], "application/zip"),
        ([0x1F, 0x8B], "application/gzip"),
        ([0xCE, 0xCA, 0xEF, 0xBE], "application/x-dotnet-resources"),
        ([.. "BSJB"u8], "application/x-portable-pdb"),
        ([0, .. "asm"u8], "application/wasm"),
        ([.. "%PDF-"u8], "application/pdf"),
        ([0x89, .. "PNG"u8], "image/png"),
        ([0xFF, 0xD8, 0xFF], "image/jpeg"),
        ([.. "GIF8"u8], "image/gif"),
        ([.. "SQLite format 3"u8], "application/vnd.sqlite3"),
        ([0xFF, 0xFE], "text/plain; charset=utf-16"),
        ([0xFE, 0xFF], "text/plain; charset=utf-16"),
    ];

    public static string Of(ReadOnlySpan<byte> start)
    {
        foreach (var (magic, type) in Magic)
        {
            if (start.StartsWith(magic))
            {
                return type;
            }
        }

        start = start[..Math.Min(start.Length, Looked)];
        return IsText(start) ? OfText(start) : Binary;
    }

    private static string OfText(ReadOnlySpan<byte> text)
    {
        text = text.StartsWith("\uFEFF"u8) ? text[3..] : text;
        text = text.TrimStart(" \t\r\n"u8);
        return text.StartsWith("<?xml"u8) || text.StartsWith("<Project"u8) ? "application/xml"
            : text.StartsWith("<!"u8) || text.StartsWith("<html"u8) ? "text/html"
            : text.StartsWith("#!"u8) ? "text/x-script"
            : text.StartsWith("{"u8) || text.StartsWith("["u8) ? "application/json"
            : "text/plain; charset=utf-8";
    }

    /// <summary>UTF-8 without control characters other than white space. The last character may be cut in two by where we stopped looking.</summary>
    private static bool IsText(ReadOnlySpan<byte> bytes)
    {
        foreach (var b in bytes)
        {
            if (b < ' ' && b is not ((byte)'\t' or (byte)'\n' or (byte)'\r' or (byte)'\f' or 0x1B))
            {
                return false;
            }
        }

        for (var cut = 0; cut < 4 && cut <= bytes.Length; cut++)
        {
            if (Utf8.IsValid(bytes[..^cut]))
            {
                return cut == 0 || bytes.Length == Looked;
            }
        }

        return false;
    }
}
