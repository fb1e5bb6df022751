using Microsoft.Extensions.Logging;

namespace Jobs.EntityFrameworkCore;

/// <summary>Every log line of this room. Event ids 1900 to 1999.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1900, LogLevel.Warning, "{Count} jobs of a DbContext were committed but could not be dispatched at once; the scheduler does it: {Error}")]
    public static partial void NotDispatched(this ILogger log, int count, string error);
}
