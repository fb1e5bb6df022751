namespace Jobs.Producer;

/// <summary>Values inside sentences for people.</summary>
internal static class Phrase
{
    /// <summary>"350 ms", "2.4 s", "42 s", "12 min", "7 h", "3 d".</summary>
    public static string Duration(TimeSpan t) => t switch
    {
        { TotalSeconds: < 0 } => "0 ms", // two clocks that disagree
        { TotalSeconds: < 0.9995 } => $"{t.TotalMilliseconds:F0} ms",
        { TotalSeconds: < 9.95 } => $"{t.TotalSeconds:F1} s",
        { TotalSeconds: < 99.5 } => $"{t.TotalSeconds:F0} s",
        { TotalMinutes: < 99.5 } => $"{t.TotalMinutes:F0} min",
        { TotalHours: < 47.5 } => $"{t.TotalHours:F0} h",
        _ => $"{t.TotalDays:N0} d",
    };

    /// <summary>"1 job", "1,204 jobs".</summary>
    public static string Count(long n, string one) => n == 1 ? $"1 {one}" : $"{n:N0} {one}s";

    public static string Time(DateTimeOffset time) => $"{time.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC";

    /// <summary>" by ops@host: too many of them", as far as it is known.</summary>
    public static string By(string? by, string? reason) => (by is null ? "" : $" by {by}") + (reason is null ? "" : $": {reason}");

    public static string Error(JobError error) => $"{error.Type}: {error.Message}";
}
