using System.Diagnostics;
using Jobs.Bench.Ours;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>
/// What an operator's command on many waiting jobs takes, and what it takes from the work that runs meanwhile: no-op jobs of another queue, drained at concurrency 20 in the same process.
/// </summary>
internal sealed class Control(BenchOptions options, StepLog steps, CancellationToken stop)
{
    private const int Concurrency = 20;
    private static readonly TimeSpan Before = TimeSpan.FromSeconds(3);

    private static readonly (string Name, string Words, int Tickets, Func<IJobOperator, JobFilter, CancellationToken, Task<ActReport>> Run)[] Verbs =
    [
        ("priority", "another priority", 2, (jobs, filter, ct) => jobs.SetPriorityAsync(filter, Load.HighPriority, ct: ct)),
        ("cancel", "cancelled", 1, (jobs, filter, ct) => jobs.CancelAsync(filter, ct: ct)),
    ];

    private int Jobs => options.Quick ? 20_000 : 100_000;

    private int Others => options.Quick ? 200_000 : 500_000;

    public async Task<IReadOnlyList<ControlResult>> RunAsync()
    {
        var results = Verbs.ToDictionary(v => v.Name, _ => new List<ControlResult>());
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var verb in Verbs)
            {
                var schema = $"{Rounds.Name}_c{round}_{verb.Name}";
                try
                {
                    var result = await MeasureAsync(verb.Name, schema);
                    results[verb.Name].Add(result);
                    steps.Say($"round {round} of {options.Rounds}  {verb.Name,-10} {Jobs:N0} jobs in {result.Seconds:F1} s, tickets out after {result.TicketSeconds:F1} s; "
                        + $"meanwhile {result.Meanwhile:N0} jobs/s, before {result.Plain:N0}");
                }
                finally
                {
                    await Servers.RemoveAsync(schema);
                }
            }
        }

        return [.. Verbs.Select(v => new ControlResult(v.Words, Jobs, Median(v.Name, r => r.Seconds), Median(v.Name, r => r.TicketSeconds), Median(v.Name, r => r.Plain), Median(v.Name, r => r.Meanwhile)))];

        double Median(string verb, Func<ControlResult, double> value) => Statistics.Median([.. results[verb].Select(value)]);
    }

    public static void Write(IReadOnlyList<ControlResult> results)
    {
        var table = new Table().Border(TableBorder.Rounded).Title($"One command on {results[0].Jobs:N0} queued jobs, while others run");
        foreach (var column in new[] { "", "s", "until all tickets are out, s", "running work before, jobs/s", "meanwhile, jobs/s", "of before" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (var r in results)
        {
            table.AddRow(r.What, $"{r.Seconds:F1}", $"{r.TicketSeconds:F1}", $"{r.Plain:N0}", $"{r.Meanwhile:N0}", $"{r.Meanwhile / r.Plain:F2}");
        }

        AnsiConsole.Write(table);
    }

    private async Task<ControlResult> MeasureAsync(string name, string schema)
    {
        var verb = Array.Find(Verbs, v => v.Name == name);
        var subject = new OursSubject(schema);
        await using (var fill = await subject.StartAsync(null))
        {
            await fill.EnqueueManyAsync(Load.WarmQueue, Jobs, Load.LowPriority);
            await fill.EnqueueManyAsync(Load.Queue, Others, Load.NormalPriority);
            await fill.DispatchedAsync(Load.Queue, Others);
            await fill.DispatchedAsync(Load.WarmQueue, Jobs);
        }

        await Servers.SettleAsync(schema);
        var busy = new Busy();
        await using var run = await subject.StartAsync(w => w.Queue(Load.Queue, Concurrency).Handle<NoOp, BusyHandler>(), s => s.AddSingleton(busy));
        while (busy.Count < Others / 10)
        {
            await Task.Delay(10, stop); // compiled by then
        }

        var (clock, from) = (Stopwatch.StartNew(), busy.Count);
        await Task.Delay(Before, stop);
        var plain = (busy.Count - from) / clock.Elapsed.TotalSeconds;
        (clock, from) = (Stopwatch.StartNew(), busy.Count);
        var report = await verb.Run(run.Operator, new JobFilter { Queue = Load.WarmQueue }, stop);
        var seconds = clock.Elapsed.TotalSeconds;
        await run.DispatchedAsync(Load.WarmQueue, Jobs * verb.Tickets);
        var meanwhile = (busy.Count - from) / clock.Elapsed.TotalSeconds;
        return report.Done != Jobs ? throw new BenchException($"{report.Done} jobs were changed, {Jobs} were waiting: what was just measured is wrong.")
            : busy.Count >= Others ? throw new BenchException("The other work ended before the command did; what was measured beside it is wrong.")
            : new ControlResult(verb.Words, Jobs, seconds, clock.Elapsed.TotalSeconds, plain, meanwhile);
    }

    internal sealed class Busy
    {
        private long _count;

        public long Count => Interlocked.Read(ref _count);

        public void Add() => Interlocked.Increment(ref _count);
    }

    internal sealed class BusyHandler(Busy busy) : IJobHandler<NoOp>
    {
        public Task HandleAsync(NoOp job, JobContext context, CancellationToken ct)
        {
            busy.Add();
            return Task.CompletedTask;
        }
    }
}

/// <summary>One command: how long it took, until its tickets were out too, and the rate of other work before it and until then.</summary>
internal sealed record ControlResult(string What, int Jobs, double Seconds, double TicketSeconds, double Plain, double Meanwhile);
