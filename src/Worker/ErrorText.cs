using System.Text.Json;

namespace Jobs.Worker;

/// <summary>An error as it is stored: bounded, and without the one character that jsonb cannot hold.</summary>
internal static class ErrorText
{
    private const int MaxMessage = 2000;
    private const int MaxStack = 4000;

    public static string Json(string type, string message, string? stack) => JsonSerializer.Serialize(
        new Dictionary<string, string?> { ["type"] = Cut(type, MaxMessage), ["message"] = Cut(message, MaxMessage), ["stack"] = Cut(stack, MaxStack) });

    public static string? Cut(string? text, int max)
    {
        text = text?.Replace('\0', '\uFFFD');
        if (text is null || text.Length <= max)
        {
            return text;
        }

        var end = char.IsHighSurrogate(text[max - 1]) ? max - 1 : max;
        return string.Concat(text.AsSpan(0, end), "...");
    }
}
