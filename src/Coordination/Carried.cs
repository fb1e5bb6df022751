using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
namespace Jobs.Coordination;

/// <summary>The rules for what a job carries along beside its arguments: tags and metadata. The ways in from SQL have the same ones (Migrations/0008_throughput.sql).</summary>
internal static class Carried
{
    private const int MaxTags = 20;
    private const int MaxTagLength = 100;
    private const int MaxMetadataBytes = 4096;

    /// <summary>Counted as the bytes that are sent, not as escapes.</summary>
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Each tag once.</summary>
    /// <exception cref="ArgumentException">There are too many, or one breaks the rule.</exception>
    public static IReadOnlyList<string> Tags(IReadOnlyList<string> tags)
    {
        if (tags.Count > MaxTags)
        {
            throw new ArgumentException($"The job has {tags.Count} tags; at most {MaxTags} are allowed. What is only to be carried along goes into Metadata.", nameof(tags));
        }

        return tags.Select(TagFault).FirstOrDefault(f => f is not null) is { } fault ? throw new ArgumentException(fault, nameof(tags)) : [.. tags.Distinct(StringComparer.Ordinal)];
    }

    /// <summary>As JSON; null when there is none.</summary>
    /// <exception cref="ArgumentException">It is too large, or something in it breaks the rule.</exception>
    public static string? Metadata(IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.Count == 0)
        {
            return null;
        }

        if (metadata.FirstOrDefault(m => m.Value is null) is { Key: { } name })
        {
            throw new ArgumentException($"The metadata \"{Start(name)}\" is not a text; use texts only.", nameof(metadata));
        }

        var json = JsonSerializer.Serialize(metadata, Plain);
        var bytes = Encoding.UTF8.GetByteCount(json);
        return bytes <= MaxMetadataBytes && !metadata.Any(m => HasNul(m.Key) || HasNul(m.Value)) ? json
            : throw new ArgumentException($"The metadata has {bytes} bytes of JSON; at most {MaxMetadataBytes} are allowed, and no NUL. What the work needs belongs into the arguments.", nameof(metadata));
    }

    private static string? TagFault(string? tag) =>
        string.IsNullOrEmpty(tag) ? $"The tag \"\" is not allowed; use 1 to {MaxTagLength} characters, none of them NUL."
        : tag.Length > MaxTagLength ? $"The tag \"{Start(tag)}...\" has {tag.Length} characters; at most {MaxTagLength} are allowed."
        : HasNul(tag) || !NameRule.IsUnicode(tag) ? $"A tag holds a NUL or half of a surrogate pair; use 1 to {MaxTagLength} characters of text."
        : null;

    private static bool HasNul(string text) => text.Contains('\0', StringComparison.Ordinal);

    private static string Start(string text) => text.Length <= 24 ? text : text[..24];
}
