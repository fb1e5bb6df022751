using System.Security.Cryptography;

namespace Jobs.Bench;

/// <summary>What was measured: for each subject and metric one value a round, in the order of the rounds.</summary>
internal sealed class Results
{
    private readonly Dictionary<(string Subject, string Metric), List<double>> _values = [];

    public IReadOnlyList<double> Of(string subject, string metric) => _values.GetValueOrDefault((subject, metric)) ?? [];

    public void Add(string subject, string metric, double value)
    {
        if (!_values.TryGetValue((subject, metric), out var values))
        {
            _values.Add((subject, metric), values = []);
        }

        values.Add(value);
    }

    /// <summary>Per round, better than the floor if above 1: for latencies the floor's divided by ours.</summary>
    public IReadOnlyList<double> Ratios(string metric) =>
        [.. Of(Child.Floor, metric).Zip(Of(Child.Ours, metric), (floor, ours) => Metric.IsLatency(metric) ? floor / ours : ours / floor)];
}

/// <summary>
/// Measures floor and platform in turns, each from empty tables and queues of its own: measurement by measurement, each in a process of its own, or, if it is
/// to be quick, all of a round in one.
/// </summary>
internal sealed class Rounds(BenchOptions options, StepLog steps, CancellationToken stop)
{
    /// <summary>Tells runs on the same servers apart.</summary>
    public static readonly string Name = $"bench_{RandomNumberGenerator.GetHexString(6, lowercase: true)}";

    private int _schemas;

    public async Task<Results> RunAsync()
    {
        var results = new Results();
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var measurements in options.Measurements.Chunk(options.Quick ? Metric.Measurements.Length : 1))
            {
                foreach (var subject in options.Subjects)
                {
                    await MeasureAsync(subject, measurements, (measurement, values) =>
                    {
                        Add(results, subject, measurement, values);
                        steps.Say($"round {round} of {options.Rounds}  {measurement,-14}  {subject,-5}  {Say(values)}");
                    });
                }
            }
        }

        return results;
    }

    private static void Add(Results results, string subject, string measurement, Dictionary<string, double> values)
    {
        foreach (var (metric, value) in values)
        {
            // One peak is asked for: the worker's while it drains at full speed.
            if (metric != Metric.PeakMemory || measurement == Metric.DrainC100)
            {
                results.Add(subject, metric, value);
            }
        }
    }

    private async Task MeasureAsync(string subject, IReadOnlyList<string> measurements, Action<string, Dictionary<string, double>> measured)
    {
        var schema = $"{Name}_{subject[0]}{++_schemas}";
        try
        {
            foreach (var measurement in measurements)
            {
                var own = Child.SchemaOf(schema, measurement);
                await Child.Subject(subject, own).CreateAsync();
                if (Metric.IsDrain(measurement))
                {
                    await FillAsync(subject, own, options.Sizes.Of(measurement));
                }
            }

            await Child.MeasureAsync(subject, measurements, schema, options.Quick, measured, stop);
        }
        finally
        {
            await Task.WhenAll(measurements.Select(m => Servers.RemoveAsync(Child.SchemaOf(schema, m))));
        }
    }

    /// <summary>In this process, which measures nothing.</summary>
    private async Task FillAsync(string subject, string schema, int jobs)
    {
        await using var run = await Child.Subject(subject, schema).StartAsync(null);
        await run.EnqueueManyAsync(Load.WarmQueue, options.Sizes.Warm, Load.NormalPriority);
        await run.EnqueueManyAsync(Load.Queue, jobs, Load.NormalPriority);
        await run.DispatchedAsync(Load.WarmQueue, options.Sizes.Warm);
        await run.DispatchedAsync(Load.Queue, jobs);
    }

    private static string Say(Dictionary<string, double> values) => string.Join("  ", values
        .Where(v => v.Key != Metric.PeakMemory)
        .Select(v => Metric.IsLatency(v.Key) ? $"{v.Key[8..11]} {v.Value:F2} ms" : $"{v.Value,8:N0} jobs/s"));
}
