using System.Diagnostics;
using Jobs.Bench.Ours;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>What a feature costs when it is used: the same no-op jobs, plain and with it, in turns in one process.</summary>
internal sealed class Features(BenchOptions options, StepLog steps, CancellationToken stop)
{
    public const string Plain = "plain";
    private const int WarmJobs = 10_000;

    private static readonly Feature[] All =
    [
        new(Plain, "plain jobs", _ => null),
        new("unique_key", "each with a unique key of its own", _ => new EnqueueOptions { Unique = new Unique { Key = Guid.NewGuid().ToString("N") } }),
        new("batch", "all in one batch", batch => new EnqueueOptions { Batch = batch }),
        new("deadlines", "with a timeout and an expiry", _ => new EnqueueOptions { Timeout = TimeSpan.FromMinutes(1), Expires = TimeSpan.FromHours(1) }),
        new("no_capture", "with the capture of logs switched off", _ => null, w => w.Handle<NoOp, NoOpHandler>().CaptureLogs = false),
        new("logs", "whose handlers log a line", _ => null, w => w.Handle<NoOp, LoggingHandler>().LogLevel = LogLevel.Information),
        new("progress", "whose handlers say how far they are", _ => null, w => w.Handle<NoOp, ProgressHandler>()),
        new("result", "whose handlers leave a result", _ => null, w => w.Handle<NoOp, ResultHandler>()),
    ];

    private int Jobs => options.Quick ? 20_000 : 100_000;

    public async Task<IReadOnlyList<FeatureResult>> RunAsync()
    {
        var rates = All.ToDictionary(f => f.Name, _ => (Enqueue: new List<double>(), EndToEnd: new List<double>()));
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var feature in All)
            {
                var schema = $"{Rounds.Name}_f{round}_{Array.IndexOf(All, feature)}";
                try
                {
                    var (enqueue, endToEnd) = await MeasureAsync(feature, schema);
                    rates[feature.Name].Enqueue.Add(enqueue);
                    rates[feature.Name].EndToEnd.Add(endToEnd);
                    steps.Say($"round {round} of {options.Rounds}  {feature.Name,-10}  enqueue {enqueue,8:N0} jobs/s  both at once {endToEnd,8:N0} jobs/s");
                }
                finally
                {
                    await Servers.RemoveAsync(schema);
                }
            }
        }

        return [.. All.Select(f => new FeatureResult(f.Name, f.Words, Statistics.Median(rates[f.Name].Enqueue), Statistics.Median(rates[f.Name].EndToEnd),
            Ratio(rates[f.Name].Enqueue, rates[Plain].Enqueue), Ratio(rates[f.Name].EndToEnd, rates[Plain].EndToEnd)))];
    }

    public static void Write(IReadOnlyList<FeatureResult> results)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("What a feature costs when it is used");
        table.AddColumn("");
        foreach (var column in new[] { "bulk enqueue, jobs/s", "of plain", "both at once, jobs/s", "of plain" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (var r in results)
        {
            table.AddRow(r.Words, $"{r.Enqueue:N0}", $"{r.EnqueueRatio:F2}", $"{r.EndToEnd:N0}", $"{r.EndToEndRatio:F2}");
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLine("[grey]Bulk enqueue: until the call returns, all of it committed. Medians of the rounds; ratios within a round.[/]");
    }

    private async Task<(double Enqueue, double EndToEnd)> MeasureAsync(Feature feature, string schema)
    {
        var subject = new OursSubject(schema);
        double enqueue;
        await using (var run = await subject.StartAsync(null))
        {
            await EnqueueAsync(run, feature, WarmJobs);
            enqueue = await EnqueueAsync(run, feature, Jobs);
            await run.DispatchedAsync(Load.Queue, WarmJobs + Jobs);
        }

        var handled = new Handled();
        var warmed = handled.Expect(WarmJobs + Jobs); // what is there makes the worker warm
        await using var both = feature.Handler is { } handler
            ? await subject.StartAsync(w => handler(w.Queue(Load.Queue, 100)), services => services.AddSingleton(handled))
            : await subject.StartAsync(new Work(Load.Queue, 100, handled));
        await warmed;
        await both.EndedAsync();
        await Servers.SettleAsync(schema);
        var all = handled.Expect(Jobs);
        var clock = Stopwatch.StartNew();
        await EnqueueAsync(both, feature, Jobs);
        await all.WaitAsync(stop);
        await both.EndedAsync();
        return (enqueue, Jobs / clock.Elapsed.TotalSeconds);
    }

    private static async Task<double> EnqueueAsync(OursSubject.Run run, Feature feature, int jobs)
    {
        var batch = await run.Client.CreateBatchAsync();
        var clock = Stopwatch.StartNew();
        await run.Client.EnqueueManyAsync(Enumerable.Repeat(new NoOp(Load.Text), jobs), _ => feature.Options(batch));
        await run.Client.SealBatchAsync(batch);
        return jobs / clock.Elapsed.TotalSeconds;
    }

    private static double Ratio(List<double> with, List<double> plain) => Statistics.Median(with.Zip(plain, (w, p) => w / p));

    private sealed record Feature(string Name, string Words, Func<JobId, EnqueueOptions?> Options, Action<WorkerOptions>? Handler = null);
}

/// <summary>One feature: its median rates and their ratios to plain jobs.</summary>
internal sealed record FeatureResult(string Name, string Words, double Enqueue, double EndToEnd, double EnqueueRatio, double EndToEndRatio);
