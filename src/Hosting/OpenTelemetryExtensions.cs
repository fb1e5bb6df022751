using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Jobs;

/// <summary>For apps that have OpenTelemetry already.</summary>
public static class OpenTelemetryExtensions
{
    /// <summary>Adds the spans of <see cref="JobsTelemetry.Sources"/>.</summary>
    /// <param name="tracing">The app's tracing.</param>
    /// <param name="clients">Also those of <see cref="JobsTelemetry.ClientSources"/>: a span for every statement and every ticket. Default false.</param>
    public static TracerProviderBuilder AddJobs(this TracerProviderBuilder tracing, bool clients = false)
    {
        ArgumentNullException.ThrowIfNull(tracing);
        return tracing.AddSource([.. JobsTelemetry.Sources, .. clients ? JobsTelemetry.ClientSources : []]);
    }

    /// <summary>Adds the instruments of <see cref="JobsTelemetry.Meters"/>.</summary>
    /// <param name="metrics">The app's metrics.</param>
    /// <param name="clients">Also those of <see cref="JobsTelemetry.ClientMeters"/>: the connection pool. Default false.</param>
    public static MeterProviderBuilder AddJobs(this MeterProviderBuilder metrics, bool clients = false)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return metrics.AddMeter([.. JobsTelemetry.Meters, .. clients ? JobsTelemetry.ClientMeters : []]);
    }
}
