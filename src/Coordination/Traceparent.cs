using System.Diagnostics;

namespace Jobs.Coordination;

/// <summary>The trace that a job carries from whoever enqueued it.</summary>
internal static class Traceparent
{
    /// <summary>Of the caller's own span; null without one.</summary>
    public static string? Current => Of(Activity.Current);

    /// <summary>W3C traceparent. A span that is not recorded is not carried: a link to it would lead nowhere, and every web request has such a one.</summary>
    public static string? Of(Activity? span) => span is { Recorded: true, IdFormat: ActivityIdFormat.W3C, Id: { } id } ? id : null;
}
