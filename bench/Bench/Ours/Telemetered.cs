using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace Jobs.Bench.Ours;

/// <summary>The platform with somebody who listens: metrics as its own endpoint collects them, traces in batches to an exporter that drops them.</summary>
internal static class Telemetered
{
    public const string Metrics = "metrics";
    public const string All = "all";

    private const string Variable = "JOBS_BENCH_TELEMETRY";

    /// <summary>In the parent: its children are told.</summary>
    public static void Ask(string? what) => Environment.SetEnvironmentVariable(Variable, what);

    /// <summary>In a child.</summary>
    public static void Add(JobsBuilder jobs)
    {
        var what = Environment.GetEnvironmentVariable(Variable);
        if (what is Metrics or All)
        {
            jobs.AddEndpoint(0, o => o.Address = "127.0.0.1");
        }

        if (what is All)
        {
            jobs.Services.AddOpenTelemetry().WithTracing(t => t.AddJobs().AddProcessor(new BatchActivityExportProcessor(new Nowhere(), maxQueueSize: 100_000)));
        }
    }

    private sealed class Nowhere : BaseExporter<Activity>
    {
        public override ExportResult Export(in Batch<Activity> batch) => ExportResult.Success;
    }
}
