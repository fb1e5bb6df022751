using System.Diagnostics;
using System.Text.Json;
using Jobs.Bench.Floor;
using Jobs.Bench.Ours;

namespace Jobs.Bench;

/// <summary>
/// A process of its own for each measurement, so that compiled code, garbage and memory are that measurement's. The result comes back as one line of JSON.
/// <c>Bench.dll child SUBJECT WHAT SCHEMA JOBS</c>
/// </summary>
internal static class Child
{
    public const string Floor = "floor";
    public const string Ours = "ours";
    public const string Verb = "child";
    public const string IdleWorker = "idle_worker";
    public const string IdleScheduler = "idle_scheduler";
    public const string GrowthDrain = "growth_drain";
    private const string Ready = "ready";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    public static ISubject Subject(string name, string schema) => name == Floor ? new FloorSubject(schema) : new OursSubject(schema);

    /// <summary>In the child.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var (subject, what, schema, jobs) = (args[1], args[2], args[3], int.Parse(args[4]));
        if (what is IdleWorker or IdleScheduler)
        {
            await using var run = await new OursSubject(schema).StartAsync(what == IdleWorker ? new Work(Load.Queue, 20, new Handled()) : null, scheduler: what == IdleScheduler);
            Console.WriteLine(Ready);
            await Console.In.ReadLineAsync(); // until the parent has seen enough, or is gone
            return 0;
        }

        var result = what == GrowthDrain
            ? await Growth.DrainAsync(schema, jobs)
            : await new Measure(Subject(subject, schema), schema, jobs).RunAsync(what);
        Console.WriteLine(JsonSerializer.Serialize(result));
        return 0;
    }

    /// <summary>In the parent: one measurement.</summary>
    public static async Task<Dictionary<string, double>> MeasureAsync(string subject, string what, string schema, int jobs, CancellationToken stop)
    {
        using var process = Start(subject, what, schema, jobs, Servers.Postgres);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(Limit);
        try
        {
            process.StandardInput.Close();
            var line = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 && JsonSerializer.Deserialize<Dictionary<string, double>>(line) is { } result ? result
                : throw new BenchException($"Measuring {what} of {subject} failed; its own words are above.");
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new BenchException($"Measuring {what} of {subject} did not end within {Limit.TotalMinutes:F0} minutes: jobs are lost, or something else keeps the machine busy.");
        }
        finally
        {
            End(process);
        }
    }

    /// <summary>In the parent: a process that idles until it is ended. Returns when it is ready.</summary>
    public static async Task<Process> StartIdleAsync(string what, string schema, string postgres, CancellationToken stop)
    {
        var process = Start(Ours, what, schema, 0, postgres);
        if (await process.StandardOutput.ReadLineAsync(stop) == Ready)
        {
            return process;
        }

        End(process);
        throw new BenchException($"The process for {what} did not start; its own words are above.");
    }

    public static void End(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    private static Process Start(string subject, string what, string schema, int jobs, string postgres)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [typeof(Child).Assembly.Location, Verb, subject, what, schema, $"{jobs}"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["JOBS_POSTGRES"] = postgres;
        start.Environment["JOBS_RABBITMQ"] = Servers.RabbitMq;
        return Process.Start(start) ?? throw new BenchException("No process could be started.");
    }
}
