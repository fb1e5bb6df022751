using System.Diagnostics;
using Jobs.Bench.Ours;
using Npgsql;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>
/// Whether the drain rate depends on how much waits and how much is over: the same jobs drained with nothing else there, with many jobs of a lower priority
/// waiting in the same queue, and with many rows of history in the same partition.
/// </summary>
internal sealed class Growth(BenchOptions options, StepLog steps, CancellationToken stop)
{
    private const int HistoryStep = 500_000;
    private const int WarmJobs = 20_000;

    private int Jobs => options.Quick ? 30_000 : 100_000;

    public async Task<IReadOnlyList<GrowthResult>> RunAsync()
    {
        GrowthCase[] cases =
        [
            new("plain", $"{Rounds.Name}_g1", 0, 0),
            new("waiting", $"{Rounds.Name}_g2", options.GrowthWaiting, 0),
            new("history", $"{Rounds.Name}_g3", 0, options.GrowthHistory),
        ];
        try
        {
            foreach (var each in cases)
            {
                await PrepareAsync(each);
            }

            for (var round = 1; round <= options.Rounds; round++)
            {
                foreach (var each in cases)
                {
                    await EnqueueAsync(each.Schema, Load.WarmQueue, WarmJobs, Load.HighPriority);
                    await EnqueueAsync(each.Schema, Load.Queue, Jobs, Load.HighPriority);
                    await steps.WhileAsync($"round {round} of {options.Rounds}  {each.Name}",
                        Child.DrainGrownAsync(each.Schema, Jobs, result => each.Rates.Add(result[Metric.DrainC100]), stop));
                    steps.Say($"round {round} of {options.Rounds}  {each.Name,-8}  {each.Rates[^1]:N0} jobs/s");
                }
            }
        }
        finally
        {
            foreach (var each in cases)
            {
                await Servers.RemoveAsync(each.Schema);
            }
        }

        return [.. cases.Select(c => new GrowthResult(c.Name, c.Waiting, c.History, Statistics.Median(c.Rates),
            Statistics.Median(c.Rates.Zip(cases[0].Rates, (rate, plain) => rate / plain))))];
    }

    /// <summary>In the child: from the first of the jobs of high priority to the last one's handler; those of low priority that follow do not count.</summary>
    public static async Task<Dictionary<string, double>> DrainAsync(string schema, int jobs)
    {
        var subject = new OursSubject(schema);
        var warm = new Handled();
        var warmed = warm.Expect(WarmJobs);
        await using (await subject.StartAsync(new Work(Load.WarmQueue, 100, warm)))
        {
            await warmed;
        }

        var before = await CountAsync(schema);
        await Servers.SettleAsync(schema);
        var handled = new Handled { MinPriority = Load.HighPriority };
        var all = handled.Expect(jobs);
        long last;
        await using (await subject.StartAsync(new Work(Load.Queue, 100, handled)))
        {
            last = await all;
        }

        var ended = await CountAsync(schema) - before;
        return ended == jobs ? new() { [Metric.DrainC100] = jobs / Stopwatch.GetElapsedTime(handled.FirstAt, last).TotalSeconds }
            : throw new BenchException($"{ended} jobs are in history, {jobs} were enqueued: what was just measured is wrong.");
    }

    public static void Write(IReadOnlyList<GrowthResult> results)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("Drain at concurrency 100, as the tables grow");
        table.AddColumn("with").AddColumn(new TableColumn("jobs/s").RightAligned()).AddColumn(new TableColumn("of plain").RightAligned());
        foreach (var result in results)
        {
            var what = result.Waiting > 0 ? $"{result.Waiting:N0} other jobs waiting" : result.History > 0 ? $"{result.History:N0} rows of history" : "nothing else there";
            table.AddRow(what, $"{result.Rate:N0}", result.Ratio < 0.9 ? $"[yellow]{result.Ratio:F2}[/]" : $"[green]{result.Ratio:F2}[/]");
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLine("[grey]Goal: at least 0.90. Medians of the rounds; ratios within a round.[/]");
    }

    private async Task PrepareAsync(GrowthCase each)
    {
        await using (await new OursSubject(each.Schema).StartAsync(null))
        {
            // The first start makes the tables.
        }

        if (each.Waiting > 0)
        {
            await steps.WhileAsync($"enqueueing {each.Waiting:N0} jobs that wait", EnqueueAsync(each.Schema, Load.Queue, each.Waiting, Load.LowPriority));
        }

        if (each.History > 0)
        {
            await steps.WhileAsync($"writing {each.History:N0} rows of history", FillHistoryAsync(each));
        }
    }

    private async Task FillHistoryAsync(GrowthCase each)
    {
        await using var connection = await Servers.OpenAsync();
        for (var done = 0; done < each.History; done += HistoryStep)
        {
            await using var fill = new NpgsqlCommand(Sql.Read("fill_history", each.Schema), connection);
            fill.Parameters.Add(new() { Value = Math.Min(HistoryStep, each.History - done) });
            fill.Parameters.Add(new() { Value = (long)done });
            fill.Parameters.Add(new() { Value = (double)each.History });
            await fill.ExecuteNonQueryAsync(stop);
        }
    }

    private static async Task EnqueueAsync(string schema, string queue, int jobs, int priority)
    {
        await using var run = await new OursSubject(schema).StartAsync(null);
        var depth = (int)await run.DepthAsync(queue);
        await run.EnqueueManyAsync(queue, jobs, priority);
        await run.DispatchedAsync(queue, depth + jobs);
    }

    private static async Task<long> CountAsync(string schema)
    {
        await using var connection = await Servers.OpenAsync();
        return await Servers.ValueAsync<long>(connection, Sql.Read("count_done", schema));
    }

    private sealed record GrowthCase(string Name, string Schema, int Waiting, int History)
    {
        public List<double> Rates { get; } = [];
    }
}

/// <summary>One case: its median rate and its ratio to the plain one.</summary>
internal sealed record GrowthResult(string Name, int Waiting, int History, double Rate, double Ratio);
