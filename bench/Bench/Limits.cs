using System.Diagnostics;
using Jobs.Bench.Ours;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>What a limit that is never reached costs, and a fair queue: the same no-op jobs drained by one worker, without and with it, in turns in one process.</summary>
internal sealed class Limits(BenchOptions options, StepLog steps, CancellationToken stop)
{
    public const string None = "no_limit";
    private const int Concurrency = 100;
    private const int WarmJobs = 10_000;
    private const int Keys = 10_000;
    private const int FairValues = 100;

    private static readonly Case[] All =
    [
        new(None, "no limit", 1, null),
        new("queue_limit", "the queue has a million slots", 1, _ => new JobLimit("queue") { Queue = Load.Queue, Slots = 1_000_000 }),
        new("key_limit", $"each of {Keys:N0} keys has 100 slots", Keys, _ => new JobLimit("key") { Queue = Load.Queue, Key = "key", Slots = 100 }),
        new("rate_limit", "a rate of 1.2 times the speed", 1, speed => new JobLimit("rate") { Queue = Load.Queue, Rate = new(speed * 1.2, TimeSpan.FromSeconds(1)) }),
        new("fair_queue", $"the queue is fair, {FairValues} values take turns", FairValues, null, Fair: true),
    ];

    private int Jobs => options.Quick ? 30_000 : 100_000;

    public async Task<IReadOnlyList<LimitResult>> RunAsync()
    {
        var rates = All.ToDictionary(c => c.Name, _ => new List<double>());
        for (var round = 0; round <= options.Rounds; round++) // the first one makes everything warm
        {
            foreach (var one in All)
            {
                var schema = $"{Rounds.Name}_l{round}_{Array.IndexOf(All, one)}";
                try
                {
                    var rate = await MeasureAsync(one, schema, rates[None].Count == 0 ? 20_000 : rates[None][^1]);
                    if (round > 0)
                    {
                        rates[one.Name].Add(rate);
                    }

                    steps.Say($"{(round == 0 ? "warming up" : $"round {round} of {options.Rounds}")}  {one.Name,-12}  {rate,8:N0} jobs/s");
                }
                finally
                {
                    await Servers.RemoveAsync(schema);
                }
            }
        }

        return [.. All.Select(c => new LimitResult(c.Name, c.Words, Statistics.Median(rates[c.Name]), Statistics.Median(rates[c.Name].Zip(rates[None], (with, without) => with / without))))];
    }

    public static void Write(IReadOnlyList<LimitResult> results)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("What a limit that is never reached costs");
        table.AddColumn("");
        table.AddColumn(new TableColumn("drain, jobs/s").RightAligned());
        table.AddColumn(new TableColumn("of unlimited").RightAligned());
        foreach (var r in results)
        {
            table.AddRow(r.Words, $"{r.Rate:N0}", $"{r.Ratio:F2}");
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLine($"[grey]One worker with {Concurrency} slots, from the first job to the last end. Medians of the rounds; ratios within a round.[/]");
    }

    private async Task<double> MeasureAsync(Case one, string schema, double speed)
    {
        var subject = new OursSubject(schema);
        await using (var run = await subject.StartAsync(null))
        {
            if (one.Limit?.Invoke(speed) is { } limit)
            {
                await run.Limits.SetAsync(limit, ct: stop);
            }

            if (one.Fair)
            {
                await run.Operator.SetFairnessAsync(new QueueName(Load.Queue), "key", stop);
            }

            var n = 0;
            await run.Client.EnqueueManyAsync(Enumerable.Range(0, WarmJobs + Jobs).Select(_ => new KeyedJob($"key-{n++ * 7919L % one.Keys}", Load.Text)));
            await run.DispatchedAsync(Load.Queue, WarmJobs + Jobs);
        }

        await Servers.SettleAsync(schema);
        var handled = new Handled();
        var warmed = handled.Expect(WarmJobs);
        await using var worker = await subject.StartAsync(w => w.Queue(Load.Queue, Concurrency).Handle<KeyedJob, KeyedHandler>(), services => services.AddSingleton(handled));
        await warmed.WaitAsync(stop);
        var clock = Stopwatch.StartNew();
        await worker.EndedAsync();
        while (await worker.CountHistoryAsync() < WarmJobs + Jobs)
        {
            await Task.Delay(2, stop);
        }

        return Jobs / clock.Elapsed.TotalSeconds;
    }

    private sealed record Case(string Name, string Words, int Keys, Func<double, JobLimit>? Limit, bool Fair = false);
}

/// <summary>One kind of limit: its median rate and the ratio to none.</summary>
internal sealed record LimitResult(string Name, string Words, double Rate, double Ratio);
