using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Architecture;

/// <summary>The instruments, the dictionary in docs/OPERATIONS.md, the dashboard and the alerts name the same things.</summary>
public sealed partial class TelemetryTests
{
    private static readonly List<Instrument> Known = Find();

    [Fact]
    public void Dictionary_has_every_instrument_with_its_kind_and_unit()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "OPERATIONS.md"));
        var written = Row().Matches(page).Select(m => $"{m.Groups["name"]} {m.Groups["kind"]} {m.Groups["unit"]}").Order(StringComparer.Ordinal).ToList();
        Assert.Equal(Known.Select(i => $"{i.Name} {PrometheusNames.Kind(i)} {i.Unit ?? "-"}").Order(StringComparer.Ordinal), written);
    }

    [Fact]
    public void Instruments_are_named_once_and_describe_themselves()
    {
        Assert.True(Known.Count > 35, "the instruments were found");
        Repository.None(Known.GroupBy(i => i.Name).Where(g => g.Count() > 1).Select(g => $"{g.Key} is in {string.Join(" and ", g.Select(i => i.Meter.Name))}: Prometheus would see it twice"));
        Repository.None(Known.Where(i => !i.Name.StartsWith("jobs.", StringComparison.Ordinal) || string.IsNullOrEmpty(i.Description)).Select(i => i.Name));
        Repository.None(Known.OfType<Histogram<double>>().Where(h => h.Advice?.HistogramBucketBoundaries is not { Count: > 10 }).Select(h => $"{h.Name} advises no buckets"));
        Assert.Equal(JobsTelemetry.Meters.Order(StringComparer.Ordinal), Known.Select(i => i.Meter.Name).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("deploy/grafana/jobs.json")]
    [InlineData("deploy/prometheus/alerts.yml")]
    public void Deployed_files_name_only_what_is_measured(string path)
    {
        var labels = typeof(JobsTelemetry).Assembly.GetType("Jobs.Labels", throwOnError: true)!.GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(f => ((string)f.GetRawConstantValue()!).Replace('.', '_'));
        var known = Known.SelectMany(PrometheusNames.Series).Concat(labels).ToHashSet();
        var used = Name().Matches(Expressions(path)).Select(m => m.Value).Distinct().ToList();
        Assert.True(used.Count > 8, $"{path} uses the metrics");
        Repository.None(used.Except(known));
    }

    [Fact]
    public void Dashboard_is_json_whose_panels_do_not_share_an_id()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "deploy/grafana/jobs.json")));
        var ids = json.RootElement.GetProperty("panels").EnumerateArray().Select(p => p.GetProperty("id").GetInt32()).ToList();
        Assert.NotEmpty(ids);
        Assert.Equal(ids.Distinct(), ids);
    }

    /// <summary>The expressions, or the whole file where they are on lines of their own among others.</summary>
    private static string Expressions(string path)
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, path));
        return string.Join('\n', text.Split('\n').Where(l => !l.TrimStart().StartsWith('#') && !l.Contains("\"uid\"", StringComparison.Ordinal)));
    }

    private static List<Instrument> Find()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddJobs(o => (o.Postgres, o.RabbitMq) = ("Host=nowhere.invalid", "amqp://nowhere.invalid/"))
            .AddWorker(w => w.Queue("default").Handle<Nothing, NothingHandler>())
            .AddScheduler()
            .AddTransactions(t => t.Coordinator())
            .AddParticipantDatabase("bank", "Host=nowhere.invalid");
        return PrometheusNames.Instruments(builder.Build().Services); // the host is never started, and lives as long as its instruments are looked at
    }

    [Job("test.nothing")]
    private sealed record Nothing;

    private sealed class NothingHandler : IJobHandler<Nothing>
    {
        public Task HandleAsync(Nothing job, JobContext context, CancellationToken ct) => Task.CompletedTask;
    }

    [GeneratedRegex(@"^\| `(?<name>jobs\.[a-z.]+)` \| (?<kind>counter|histogram|gauge) \| `?(?<unit>[^` |]+)`? \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Row();

    [GeneratedRegex(@"\bjobs_[a-z_]+\b", RegexOptions.None, 1000)]
    private static partial Regex Name();
}
