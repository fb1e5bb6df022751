namespace Jobs.Bench;

/// <summary>The names of what is measured, as they stand in the JSON. A measurement gives one metric, the latency one gives three.</summary>
internal static class Metric
{
    public const string BulkEnqueue = "bulk_enqueue";
    public const string SingleEnqueue = "single_enqueue";
    public const string DrainC20 = "drain_c20";
    public const string DrainC100 = "drain_c100";
    public const string EndToEnd = "end_to_end";
    public const string Latency = "latency";
    public const string LatencyP50 = "latency_p50_ms";
    public const string LatencyP95 = "latency_p95_ms";
    public const string LatencyP99 = "latency_p99_ms";
    public const string Idle = "idle";

    /// <summary>Not a metric of a column: the most memory that the measuring process had, in MB.</summary>
    public const string PeakMemory = "peak_memory_mb";

    /// <summary>What is measured in turns, in this order: the drain whose peak memory is told comes first.</summary>
    public static readonly string[] Measurements = [DrainC100, DrainC20, BulkEnqueue, SingleEnqueue, EndToEnd, Latency];

    public static readonly string[] All = [BulkEnqueue, SingleEnqueue, DrainC20, DrainC100, EndToEnd, LatencyP50, LatencyP95, LatencyP99];

    public static bool IsLatency(string metric) => metric.StartsWith(Latency, StringComparison.Ordinal);

    public static bool IsDrain(string measurement) => measurement is DrainC20 or DrainC100;
}

/// <summary>How many jobs each measurement takes.</summary>
/// <param name="Warm">And how many before that, which do not count: code is compiled, connections are open, the prefetch has found its size.</param>
internal sealed record Sizes(int Warm, int Bulk, int Single, int DrainC20, int DrainC100, int EndToEnd, int Latency)
{
    public static readonly Sizes Full = new(Warm: 20_000, Bulk: 150_000, Single: 60_000, DrainC20: 80_000, DrainC100: 150_000, EndToEnd: 100_000, Latency: 1000);

    public static readonly Sizes Quick = new(Warm: 4000, Bulk: 20_000, Single: 8000, DrainC20: 10_000, DrainC100: 20_000, EndToEnd: 12_000, Latency: 100);

    public int Of(string measurement) => measurement switch
    {
        Metric.BulkEnqueue => Bulk,
        Metric.SingleEnqueue => Single,
        Metric.DrainC20 => DrainC20,
        Metric.DrainC100 => DrainC100,
        Metric.EndToEnd => EndToEnd,
        _ => Latency,
    };
}
