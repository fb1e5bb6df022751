using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>The story of a job: its timeline for people and for programs.</summary>
internal static class StoryView
{
    private const int Indent = 2;

    public static object AsJson(TimelineEntry entry) => new
    {
        at = entry.At,
        what = entry.What,
        text = entry.Text,
        by = entry.By,
        reason = entry.Reason,
        attempt = entry.Attempt,
        session = entry.Session,
        worker = entry.Worker,
        tookSeconds = entry.Took?.TotalSeconds,
        error = entry.Error,
        dueAt = entry.DueAt,
        from = entry.From,
        to = entry.To,
        other = entry.Other?.Value,
    };

    public static void Show(IAnsiConsole screen, IReadOnlyList<TimelineEntry> story)
    {
        screen.WriteLine();
        screen.Write(new Text("story", Styles.Faint));
        screen.WriteLine();
        string? day = null;
        foreach (var entry in story)
        {
            if (day != (day = entry.At.UtcDateTime.ToString("yyyy-MM-dd")))
            {
                screen.Write(new Text($"{day} UTC", Styles.Faint));
                screen.WriteLine();
            }

            var time = entry.At.UtcDateTime.ToString("HH:mm:ss.fff");
            Write(screen, time, Plain.Lines(entry.Text), Style(entry));
            if (entry.Error?.Stack is { Length: > 0 } stack)
            {
                Write(screen, new string(' ', time.Length), Plain.Lines(stack), Styles.Faint);
            }
        }
    }

    private static void Write(IAnsiConsole screen, string label, string text, Style style)
    {
        var margin = new string(' ', Indent);
        screen.Write(new Text($"{margin}{label}  ", Styles.Faint));
        screen.Write(new Text(text.ReplaceLineEndings("\n" + new string(' ', Indent + label.Length + 2)), style));
        screen.WriteLine();
    }

    private static Style Style(TimelineEntry entry) => entry.What switch
    {
        "failed" or "crashed" => Styles.Bad,
        "retried" or "cancelled" or "expired" or "cancelRequested" => Styles.Busy,
        "succeeded" => Styles.Good,
        "enqueued" or "started" or "leftOut" => Spectre.Console.Style.Plain,
        _ => Spectre.Console.Style.Plain,
    };
}
