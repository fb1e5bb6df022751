using System.Diagnostics;
using Jobs.Bench.Ours;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>
/// How much of a limit on concurrency is used while there is work: jobs of 20 ms at a queue of so many slots, run by a worker that has ten times as many of its own, beside the same jobs without a limit,
/// run by a worker that has only so many.
/// </summary>
internal sealed class SlotsUsed(BenchOptions options, StepLog steps, CancellationToken stop)
{
    public const int Milliseconds = 20;
    private static readonly int[] Slots = [7, 50];

    private int Seconds => options.Quick ? 3 : 15;

    public async Task<IReadOnlyDictionary<int, double>> RunAsync()
    {
        var used = new Dictionary<int, double>();
        foreach (var slots in Slots)
        {
            var own = await MeasureAsync(slots, slots, null);
            var limited = await MeasureAsync(slots, 10 * slots, new JobLimit("slots") { Queue = Load.Queue, Slots = slots });
            used[slots] = limited / own;
            steps.Say($"{slots,6:N0} slots: {limited:N0} jobs/s of {Milliseconds} ms each, {own:N0} with the worker's own slots: {used[slots]:P1} used");
        }

        return used;
    }

    public static void Write(IReadOnlyDictionary<int, double> used)
    {
        var table = new Table().Border(TableBorder.Rounded).Title($"How much of a limit is used while there is work of {Milliseconds} ms");
        table.AddColumn(new TableColumn("slots").RightAligned());
        table.AddColumn(new TableColumn("of a worker's own").RightAligned());
        foreach (var (slots, share) in used)
        {
            table.AddRow($"{slots:N0}", $"{share:P1}");
        }

        AnsiConsole.Write(table);
    }

    private async Task<double> MeasureAsync(int slots, int concurrency, JobLimit? limit)
    {
        var schema = $"{Rounds.Name}_s{slots}";
        var jobs = slots * Seconds * 1000 / Milliseconds;
        try
        {
            var subject = new OursSubject(schema);
            await using (var run = await subject.StartAsync(null))
            {
                if (limit is not null)
                {
                    await run.Limits.SetAsync(limit, ct: stop);
                }

                await run.Client.EnqueueManyAsync(Enumerable.Range(0, jobs).Select(_ => new KeyedJob("key", Load.Text)));
                await run.DispatchedAsync(Load.Queue, jobs);
            }

            var handled = new Handled();
            var first = handled.Expect(slots);
            await using var worker = await subject.StartAsync(w => w.Queue(Load.Queue, concurrency).Handle<KeyedJob, BusyHandler>(), services => services.AddSingleton(handled));
            await first.WaitAsync(stop);
            var clock = Stopwatch.StartNew();
            while (await worker.CountHistoryAsync() < jobs)
            {
                await Task.Delay(2, stop);
            }

            return (jobs - slots) / clock.Elapsed.TotalSeconds;
        }
        finally
        {
            await Servers.RemoveAsync(schema);
        }
    }
}
