using Spectre.Console;

namespace Jobs.Cli;

/// <summary>The few colours there are.</summary>
internal static class Styles
{
    public static readonly Style Faint = new(Color.Grey);
    public static readonly Style Good = new(Color.Green);
    public static readonly Style Bad = new(Color.Red);
    public static readonly Style Busy = new(Color.Yellow);
    private static readonly Style Ready = new(Color.Aqua);
    private static readonly Style Later = new(Color.Blue);
    private static readonly Style Held = new(Color.Fuchsia);

    public static Style Of(JobState state) => state switch
    {
        JobState.Queued => Ready,
        JobState.Scheduled or JobState.Pending => Later,
        JobState.Blocked => Held,
        JobState.Running => Busy,
        JobState.Succeeded => Good,
        JobState.Failed => Bad,
        _ => Faint,
    };

    public static Style Of(Health verdict) => verdict switch { Health.Ok => Good, Health.Warn => Busy, _ => Bad };
}
