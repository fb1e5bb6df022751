using System.Diagnostics;
using Jobs.Bench.Ours;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>
/// How soon those who wait for a job have its result: one at a time on an idle system, and ten thousand at once. From the return of the handler, so the writing of the end is in it. The waiting is done in a
/// session of its own, as in another process.
/// </summary>
internal sealed class Waits(BenchOptions options, StepLog steps, CancellationToken stop)
{
    private const int Many = 10_000;
    private const int Warm = 50;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(2);

    private int Single => options.Quick ? 100 : 500;

    public async Task<Dictionary<string, double>> RunAsync()
    {
        var schema = $"{Rounds.Name}_w";
        var returned = new Returned();
        try
        {
            await using var waiting = await new OursSubject(schema).StartAsync(null, scheduler: false);
            var values = new Dictionary<string, double>();
            await using (await WorkAsync(schema, returned))
            {
                await IdleAsync(waiting.Client, returned, Warm);
                var idle = await IdleAsync(waiting.Client, returned, Single);
                (values["idle_p50_ms"], values["idle_p99_ms"]) = (Statistics.Quantile(idle, 0.50), Statistics.Quantile(idle, 0.99));
                steps.Say($"one at a time: p50 {values["idle_p50_ms"]:F1} ms, p99 {values["idle_p99_ms"]:F1} ms");
            }

            JobId[] ids = [.. Enumerable.Range(0, Many).Select(_ => JobId.New())];
            var next = 0;
            await waiting.Client.EnqueueManyAsync(Enumerable.Repeat(new Waited(0), Many), _ => new EnqueueOptions { Id = ids[next++] });
            var clock = Stopwatch.StartNew();
            var waits = ids.Select(id => WaitAsync(waiting.Client, returned, id)).ToArray();
            await using (var database = await Servers.OpenAsync())
            {
                while (await Servers.ValueAsync<long>(database, Sql.Read("count_watches", schema)) < Many)
                {
                    await Task.Delay(Look, stop);
                }
            }

            values["many_registered_s"] = clock.Elapsed.TotalSeconds;
            await using (await WorkAsync(schema, returned))
            {
                var all = await Task.WhenAll(waits).WaitAsync(stop);
                Array.Sort(all);
                (values["many_p50_ms"], values["many_p99_ms"], values["many_last_ms"]) = (Statistics.Quantile(all, 0.50), Statistics.Quantile(all, 0.99), all[^1]);
            }

            return values;
        }
        finally
        {
            await Servers.RemoveAsync(schema);
        }
    }

    public static void Write(Dictionary<string, double> values)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("From the return of a handler until who waits for its job has the result");
        table.AddColumn("").AddColumn(new TableColumn("p50, ms").RightAligned()).AddColumn(new TableColumn("p99, ms").RightAligned());
        table.AddRow("one at a time, idle system", $"{values["idle_p50_ms"]:F1}", $"{values["idle_p99_ms"]:F1}");
        table.AddRow($"{Many:N0} at once, drained at concurrency 100", $"{values["many_p50_ms"]:F1}", $"{values["many_p99_ms"]:F1}");
        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated($"[grey]{Many:N0} waits were registered in {values["many_registered_s"]:F2} s; the slowest answer took {values["many_last_ms"]:F0} ms.[/]");
    }

    private static Task<OursSubject.Run> WorkAsync(string schema, Returned returned) => new OursSubject(schema).StartAsync(
        worker => worker.Queue(Load.Queue, 100).Handle<Waited, WaitedHandler>(), services => services.AddSingleton(returned));

    private async Task<double[]> IdleAsync(IJobClient client, Returned returned, int jobs)
    {
        var late = new double[jobs];
        for (var n = 0; n < jobs; n++)
        {
            late[n] = await WaitAsync(client, returned, await client.EnqueueAsync(new Waited(60), ct: stop));
        }

        Array.Sort(late);
        return late;
    }

    private static async Task<double> WaitAsync(IJobClient client, Returned returned, JobId id)
    {
        await client.WaitAsync<int>(id, Patience);
        return Stopwatch.GetElapsedTime(returned[id]).TotalMilliseconds;
    }
}
