using System.Text.Json;
using System.Text.Json.Nodes;
using Jobs.Bench.Ours;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>The table that people read and the JSON that programs read.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>What docs/PERFORMANCE.md promises; here for the eye, nothing fails by it.</summary>
    private static readonly Dictionary<string, (string Text, Func<double, double, bool> Met)> Goals = new()
    {
        [Metric.BulkEnqueue] = ("ratio >= 0.85", (_, ratio) => ratio >= 0.85),
        [Metric.SingleEnqueue] = (">= 15,000", (ours, _) => ours >= 15_000),
        [Metric.DrainC20] = ("ratio >= 0.85", (_, ratio) => ratio >= 0.85),
        [Metric.DrainC100] = ("ratio >= 0.85", (_, ratio) => ratio >= 0.85),
        [Metric.EndToEnd] = ("ratio >= 0.85", (_, ratio) => ratio >= 0.85),
        [Metric.LatencyP50] = ("<= 2.5 ms", (ours, _) => ours <= 2.5),
        [Metric.LatencyP99] = ("<= 8 ms", (ours, _) => ours <= 8),
    };

    public static void Write(BenchOptions options, Results results, IReadOnlyDictionary<string, IdleCost> idle, string machine)
    {
        var table = new Table().Border(TableBorder.Rounded).Title(options.Quick ? "Jobs, beside a floor that does only the raw work (quick: read factors, not digits)"
            : "Jobs, beside a floor that does only the raw work");
        table.AddColumn("");
        foreach (var column in new[] { "floor", "[grey]min .. max[/]", "jobs", "[grey]min .. max[/]", "ratio", "[grey]min .. max[/]" })
        {
            table.AddColumn(new TableColumn(column).RightAligned().NoWrap());
        }

        table.AddColumn(new TableColumn("goal").NoWrap());
        foreach (var metric in Metric.All)
        {
            var (floor, ours, ratios) = (results.Of(Child.Floor, metric), results.Of(Child.Ours, metric), results.Ratios(metric));
            if (floor.Count + ours.Count > 0)
            {
                var digits = Metric.IsLatency(metric) ? "N2" : "N0";
                table.AddRow(Label(metric), Middle(floor, digits), Spread(floor, digits), Middle(ours, digits), Spread(ours, digits),
                    Middle(ratios, "N2"), Spread(ratios, "N2"), Goal(metric, ours, ratios));
            }
        }

        if (table.Rows.Count > 0)
        {
            AnsiConsole.Write(table);
        }

        WriteCost(results, idle);
        AnsiConsole.MarkupLineInterpolated($"[grey]{machine}. Medians of {options.Rounds} rounds, floor and platform in turns; no-op jobs, 60 bytes of arguments.[/]");
        AnsiConsole.MarkupLine("[grey]A ratio above 1 is better than the floor, for latencies too. c20 and c100: concurrency. How it is measured: docs/PERFORMANCE.md.[/]");
    }

    public static async Task WriteJsonAsync(string file, Results results, IReadOnlyDictionary<string, IdleCost> idle)
    {
        var root = new JsonObject
        {
            [Child.Floor] = Object(m => results.Of(Child.Floor, m)),
            [Child.Ours] = Object(m => results.Of(Child.Ours, m)),
            ["ratio"] = Object(results.Ratios),
        };
        var costs = new JsonObject();
        if (results.Of(Child.Ours, Metric.PeakMemory) is { Count: > 0 } peaks)
        {
            costs[Metric.PeakMemory] = Math.Round(Statistics.Median(peaks), 1);
        }

        foreach (var (role, cost) in idle)
        {
            var name = role["idle_".Length..];
            costs[$"{name}_statements_per_s"] = Math.Round(cost.StatementsPerSecond, 2);
            costs[$"{name}_cpu_percent"] = Math.Round(cost.CpuPercent, 2);
        }

        root["idle"] = costs;
        root["due"] = new JsonObject(DueTimes.Metrics
            .Where(m => results.Of(Child.Ours, m).Count > 0)
            .Select(m => KeyValuePair.Create<string, JsonNode?>(m, Math.Round(results.Of(Child.Ours, m)[0], 1))));
        await WriteFileAsync(file, root);
    }

    public static Task WriteJsonAsync(string file, IReadOnlyList<GrowthResult> growth) => WriteFileAsync(file, new JsonObject
    {
        ["growth"] = new JsonObject(growth.Select(g => KeyValuePair.Create<string, JsonNode?>(g.Name, new JsonObject
        {
            ["waiting"] = g.Waiting,
            ["history"] = g.History,
            ["jobs_per_second"] = Math.Round(g.Rate),
            ["ratio"] = Math.Round(g.Ratio, 3),
        }))),
    });

    public static Task WriteJsonAsync(string file, IReadOnlyList<FeatureResult> features) => WriteFileAsync(file, new JsonObject
    {
        ["features"] = new JsonObject(features.Select(f => KeyValuePair.Create<string, JsonNode?>(f.Name, new JsonObject
        {
            ["bulk_enqueue"] = Math.Round(f.Enqueue),
            ["end_to_end"] = Math.Round(f.EndToEnd),
            ["bulk_enqueue_ratio"] = Math.Round(f.EnqueueRatio, 3),
            ["end_to_end_ratio"] = Math.Round(f.EndToEndRatio, 3),
        }))),
    });

    public static Task WriteJsonAsync(string file, string name, Dictionary<string, double> values) => WriteFileAsync(file, new JsonObject
    {
        [name] = new JsonObject(values.Select(v => KeyValuePair.Create<string, JsonNode?>(v.Key, v.Value < 1000 ? Math.Round(v.Value, 2) : Math.Round(v.Value)))),
    });

    public static Task WriteJsonAsync(string file, IReadOnlyList<ControlResult> control, Dictionary<string, double> cancels) => WriteFileAsync(file, new JsonObject
    {
        ["control"] = new JsonObject(control.Select(c => KeyValuePair.Create<string, JsonNode?>(c.What, new JsonObject
        {
            ["jobs"] = c.Jobs,
            ["seconds"] = Math.Round(c.Seconds, 2),
            ["seconds_with_tickets"] = Math.Round(c.TicketSeconds, 2),
            ["jobs_per_second_before"] = Math.Round(c.Plain),
            ["jobs_per_second_meanwhile"] = Math.Round(c.Meanwhile),
        }))),
        ["cancel_running"] = new JsonObject(cancels.Select(c => KeyValuePair.Create<string, JsonNode?>(c.Key, Math.Round(c.Value, 2)))),
    });

    public static Task WriteJsonAsync(string file, IReadOnlyList<LimitResult> limits, IReadOnlyDictionary<int, double> used, IReadOnlyDictionary<int, double> slots) => WriteFileAsync(file, new JsonObject(
        limits.Select(l => KeyValuePair.Create<string, JsonNode?>(l.Name, Math.Round(l.Rate)))
            .Append(KeyValuePair.Create<string, JsonNode?>("ratio", new JsonObject(limits.Select(l => KeyValuePair.Create<string, JsonNode?>(l.Name, Math.Round(l.Ratio, 3))))))
            .Append(KeyValuePair.Create<string, JsonNode?>("rate_used", Shares(used)))
            .Append(KeyValuePair.Create<string, JsonNode?>("slots_used", Shares(slots)))));

    private static JsonObject Shares(IReadOnlyDictionary<int, double> of) => new(of.Select(o => KeyValuePair.Create<string, JsonNode?>($"{o.Key}", Math.Round(o.Value, 3))));

    public static Task WriteJsonAsync(string file, IReadOnlyList<TransactionResult> transactions) => WriteFileAsync(file, new JsonObject
    {
        ["transactions"] = new JsonObject(transactions.Select(t => KeyValuePair.Create<string, JsonNode?>(t.Name, new JsonObject
        {
            ["branches"] = t.Branches,
            ["per_second"] = Math.Round(t.Rate),
            ["processor_ms"] = Rounded(t.Processor),
            ["p50_ms"] = Rounded(t.Many.P50),
            ["p99_ms"] = Rounded(t.Many.P99),
            ["stamped_p50_ms"] = Rounded(t.ManyStamped?.P50),
            ["stamped_p99_ms"] = Rounded(t.ManyStamped?.P99),
            ["alone_p50_ms"] = Rounded(t.Lone.P50),
            ["alone_p99_ms"] = Rounded(t.Lone.P99),
            ["alone_stamped_p50_ms"] = Rounded(t.LoneStamped?.P50),
            ["alone_stamped_p99_ms"] = Rounded(t.LoneStamped?.P99),
            ["forced_writes_alone"] = Rounded(t.Counts.Syncs),
            ["forced_writes_shared"] = Rounded(t.Counts.SyncsShared),
            ["commits_alone"] = Rounded(t.Counts.Commits),
            ["tickets"] = Rounded(t.Counts.Tickets),
            ["answers"] = Rounded(t.Counts.Answers),
        }))),
    });

    private static double? Rounded(double? value) => value is { } v ? Math.Round(v, 2) : null;

    private static Task WriteFileAsync(string file, JsonObject root) => File.WriteAllTextAsync(file, root.ToJsonString(Indented) + "\n");

    private static JsonObject Object(Func<string, IReadOnlyList<double>> values) => new(Metric.All
        .Where(m => values(m).Count > 0)
        .Select(m => KeyValuePair.Create<string, JsonNode?>(m, Math.Round(Statistics.Median(values(m)), 3))));

    private static void WriteCost(Results results, IReadOnlyDictionary<string, IdleCost> idle)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("What a process costs, and how late scheduled jobs are");
        table.AddColumn("").AddColumn(new TableColumn("jobs").RightAligned()).AddColumn("goal");
        if (results.Of(Child.Ours, Metric.PeakMemory) is { Count: > 0 } ours)
        {
            var floor = results.Of(Child.Floor, Metric.PeakMemory);
            var beside = floor.Count > 0 ? $" (the floor: {Statistics.Median(floor):F0} MB)" : "";
            table.AddRow($"peak memory of a worker that drains at c100{beside}", $"{Statistics.Median(ours):F0} MB", Mark("<= 150 MB", Statistics.Median(ours) <= 150));
        }

        if (results.Of(Child.Ours, DueTimes.IdleP99) is [var late] && results.Of(Child.Ours, DueTimes.BurstLast) is [var last])
        {
            table.AddRow($"scheduled job's start after its time, p50 ({results.Of(Child.Ours, DueTimes.IdleP50)[0]:F0} ms) and p99", $"{late:F0} ms", Mark("<= 250 ms", late <= 250));
            table.AddRow($"{DueTimes.Burst:N0} jobs due at one instant: the last one's start", $"{last:F0} ms", Mark("<= 2,000 ms", last <= 2000));
        }

        foreach (var (role, cost) in idle)
        {
            var name = role["idle_".Length..];
            table.AddRow($"idle {name}, transactions a second", $"{cost.StatementsPerSecond:F1}", name == "worker" ? Mark("<= 5", cost.StatementsPerSecond <= 5) : "");
            table.AddRow($"idle {name}, share of one core", $"{cost.CpuPercent:F2} %", name == "worker" ? Mark("< 1 %", cost.CpuPercent < 1) : "");
        }

        if (table.Rows.Count > 0)
        {
            AnsiConsole.Write(table);
        }
    }

    private static string Label(string metric) => metric switch
    {
        Metric.BulkEnqueue => "bulk enqueue, jobs/s",
        Metric.SingleEnqueue => "single enqueue, 16 callers, jobs/s",
        Metric.DrainC20 => "drain c20, jobs/s",
        Metric.DrainC100 => "drain c100, jobs/s",
        Metric.EndToEnd => "both at once, jobs/s",
        Metric.LatencyP50 => "call to handler p50, ms",
        Metric.LatencyP95 => "call to handler p95, ms",
        _ => "call to handler p99, ms",
    };

    private static string Middle(IReadOnlyList<double> values, string digits) => values.Count == 0 ? "-" : $"[bold]{Statistics.Median(values).ToString(digits)}[/]";

    private static string Spread(IReadOnlyList<double> values, string digits) =>
        values.Count < 2 ? "" : $"[grey]{values.Min().ToString(digits)} .. {values.Max().ToString(digits)}[/]";

    private static string Goal(string metric, IReadOnlyList<double> ours, IReadOnlyList<double> ratios)
    {
        if (!Goals.TryGetValue(metric, out var goal) || ours.Count == 0 || (ratios.Count == 0 && goal.Text.StartsWith("ratio", StringComparison.Ordinal)))
        {
            return "";
        }

        return Mark(goal.Text, goal.Met(Statistics.Median(ours), ratios.Count == 0 ? double.NaN : Statistics.Median(ratios)));
    }

    private static string Mark(string text, bool met) => met ? $"[green]{text}  met[/]" : $"[yellow]{text}  not met[/]";
}
