using Microsoft.Extensions.Logging;

namespace Jobs.Hosting;

/// <summary>Every log line of this room. Event ids 1700 to 1799.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1700, LogLevel.Information, "Metrics and health on http://{Address}:{Port}: /metrics, /health/live, /health/ready")]
    public static partial void Listening(this ILogger log, string address, int port);
}
