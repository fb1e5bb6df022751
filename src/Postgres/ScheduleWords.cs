namespace Jobs.Postgres;

/// <summary>The rules of schedules as the database and the command line write them.</summary>
internal static class ScheduleWords
{
    private static readonly (OnMissingTime Value, string Word)[] MissingWords = [(OnMissingTime.RunAfter, "run-after"), (OnMissingTime.Skip, "skip")];
    private static readonly (OnRepeatedTime Value, string Word)[] RepeatedWords = [(OnRepeatedTime.First, "first"), (OnRepeatedTime.Second, "second"), (OnRepeatedTime.Both, "both")];
    private static readonly (Overlap Value, string Word)[] OverlapWords =
        [(Jobs.Overlap.Allow, "allow"), (Jobs.Overlap.Skip, "skip"), (Jobs.Overlap.Queue, "queue"), (Jobs.Overlap.CancelPrevious, "cancel-previous")];

    public static string? Of(OnMissingTime? rule) => rule is { } r ? Array.Find(MissingWords, w => w.Value == r).Word : null;

    public static string? Of(OnRepeatedTime? rule) => rule is { } r ? Array.Find(RepeatedWords, w => w.Value == r).Word : null;

    public static string Of(Overlap rule) => Array.Find(OverlapWords, w => w.Value == rule).Word;

    public static OnMissingTime? Missing(string? word) => word is null ? null : Parse(MissingWords, word, "rule for missing times");

    public static OnRepeatedTime? Repeated(string? word) => word is null ? null : Parse(RepeatedWords, word, "rule for repeated times");

    public static Overlap Overlap(string word) => Parse(OverlapWords, word, "rule for overlaps");

    private static T Parse<T>((T Value, string Word)[] words, string word, string what)
    {
        var found = Array.FindIndex(words, w => string.Equals(w.Word, word, StringComparison.OrdinalIgnoreCase));
        return found >= 0 ? words[found].Value : throw new FormatException($"The {what} \"{word}\" does not exist; use one of {string.Join(", ", words.Select(w => w.Word))}.");
    }
}
