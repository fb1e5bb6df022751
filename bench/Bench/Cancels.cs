using System.Collections.Concurrent;
using System.Diagnostics;
using Jobs.Bench.Ours;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>
/// How soon a running job hears that somebody wants it stopped: from the return of the call to its handler's token, one at a time. Who asks, who runs it and who leads have a session each, as in three processes.
/// </summary>
internal sealed class Cancels(BenchOptions options, StepLog steps, CancellationToken stop)
{
    private const int Warm = 20;

    private int Jobs => options.Quick ? 100 : 500;

    public async Task<Dictionary<string, double>> RunAsync()
    {
        var schema = $"{Rounds.Name}_x";
        var held = new Held();
        try
        {
            await using var leading = await new OursSubject(schema).StartAsync(null);
            await using var asking = await new OursSubject(schema).StartAsync(null, scheduler: false);
            await using var working = await new OursSubject(schema).StartAsync(
                worker => worker.Queue(Load.Queue, 4).Handle<NoOp, HeldHandler>(), services => services.AddSingleton(held), scheduler: false);
            var (calls, tokens) = (new double[Jobs], new double[Jobs]);
            for (var n = -Warm; n < Jobs; n++)
            {
                var id = JobId.New();
                var job = held.Expect(id);
                await asking.Client.EnqueueAsync(new NoOp(Load.Text), new() { Id = id }, stop);
                await job.Begun.WaitAsync(stop);
                var called = Stopwatch.GetTimestamp();
                var report = await asking.Operator.CancelAsync(new() { Ids = [id] }, ct: stop);
                var returned = Stopwatch.GetTimestamp();
                if (report.Left > 0)
                {
                    throw new BenchException($"The job was not asked to stop: {report.Jobs[0].Outcome}.");
                }

                var fired = await job.Fired.WaitAsync(stop);
                if (n >= 0)
                {
                    (calls[n], tokens[n]) = (Stopwatch.GetElapsedTime(called, returned).TotalMilliseconds, Stopwatch.GetElapsedTime(returned, fired).TotalMilliseconds);
                }
            }

            Array.Sort(calls);
            Array.Sort(tokens);
            var values = new Dictionary<string, double>
            {
                ["call_p50_ms"] = Statistics.Quantile(calls, 0.50), ["call_p99_ms"] = Statistics.Quantile(calls, 0.99),
                ["token_p50_ms"] = Statistics.Quantile(tokens, 0.50), ["token_p99_ms"] = Statistics.Quantile(tokens, 0.99), ["token_max_ms"] = tokens[^1],
            };
            steps.Say($"cancel of a running job: p50 {values["token_p50_ms"]:F1} ms, p99 {values["token_p99_ms"]:F1} ms");
            return values;
        }
        finally
        {
            await Servers.RemoveAsync(schema);
        }
    }

    public static void Write(Dictionary<string, double> values)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("Cancel of a running job, one at a time");
        table.AddColumn("").AddColumn(new TableColumn("p50, ms").RightAligned()).AddColumn(new TableColumn("p99, ms").RightAligned());
        table.AddRow("the call", $"{values["call_p50_ms"]:F1}", $"{values["call_p99_ms"]:F1}");
        table.AddRow("from its return to the handler's token", $"{values["token_p50_ms"]:F1}", $"{values["token_p99_ms"]:F1}");
        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated($"[grey]The longest was {values["token_max_ms"]:F1} ms. Below 0: the token fired before the call had returned.[/]");
    }

    /// <summary>The jobs that run until they are stopped, and when that was.</summary>
    internal sealed class Held
    {
        private readonly ConcurrentDictionary<JobId, (TaskCompletionSource Begun, TaskCompletionSource<long> Fired)> _jobs = new();

        public (Task Begun, Task<long> Fired) Expect(JobId id)
        {
            var (begun, fired) = _jobs[id] = (new(TaskCreationOptions.RunContinuationsAsynchronously), new(TaskCreationOptions.RunContinuationsAsynchronously));
            return (begun.Task, fired.Task);
        }

        public async Task RunAsync(JobId id, CancellationToken ct)
        {
            var (begun, fired) = _jobs[id];
            await using var registration = ct.Register(() => fired.TrySetResult(Stopwatch.GetTimestamp()));
            begun.SetResult();
            await fired.Task;
            ct.ThrowIfCancellationRequested();
        }
    }

    internal sealed class HeldHandler(Held held) : IJobHandler<NoOp>
    {
        public Task HandleAsync(NoOp job, JobContext context, CancellationToken ct) => held.RunAsync(context.Id, ct);
    }
}
