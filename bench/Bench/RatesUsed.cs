using Jobs.Bench.Ours;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>How much of a rate is used while there is work: a queue with more jobs than the rate lets through, one worker, a token bucket of half a second.</summary>
internal sealed class RatesUsed(BenchOptions options, StepLog steps, CancellationToken stop)
{
    private const int Concurrency = 100;
    private static readonly int[] Rates = [10, 500, 5000];

    private int Seconds => options.Quick ? 10 : 60;

    public async Task<IReadOnlyDictionary<int, double>> RunAsync()
    {
        var used = new Dictionary<int, double>();
        foreach (var rate in Rates)
        {
            var schema = $"{Rounds.Name}_u{rate}";
            try
            {
                used[rate] = await MeasureAsync(rate, schema);
                steps.Say($"{rate,6:N0} a second for {Seconds} s: {used[rate]:P1} used");
            }
            finally
            {
                await Servers.RemoveAsync(schema);
            }
        }

        return used;
    }

    public static void Write(IReadOnlyDictionary<int, double> used)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("How much of a rate is used while there is work");
        table.AddColumn(new TableColumn("jobs a second").RightAligned());
        table.AddColumn(new TableColumn("used").RightAligned());
        foreach (var (rate, share) in used)
        {
            table.AddRow($"{rate:N0}", $"{share:P1}");
        }

        AnsiConsole.Write(table);
    }

    private async Task<double> MeasureAsync(int rate, string schema)
    {
        var subject = new OursSubject(schema);
        var burst = rate / 2;
        var jobs = (rate * Seconds) + burst;
        await using (var run = await subject.StartAsync(null))
        {
            await run.Limits.SetAsync(new JobLimit("rate") { Queue = Load.Queue, Rate = new(rate, TimeSpan.FromSeconds(1)) { Burst = burst } }, ct: stop);
            await run.EnqueueManyAsync(Load.Queue, jobs, Load.NormalPriority);
            await run.DispatchedAsync(Load.Queue, jobs);
        }

        var handled = new Handled();
        var all = handled.Expect(jobs);
        await using var worker = await subject.StartAsync(new Work(Load.Queue, Concurrency, handled));
        await all.WaitAsync(stop);
        await worker.EndedAsync();
        return (jobs - burst) / (rate * await worker.SpanSecondsAsync());
    }
}
