using System.Diagnostics;
using System.Text.Json;
using Jobs.Bench.Floor;
using Jobs.Bench.Ours;

namespace Jobs.Bench;

/// <summary>
/// A process of its own for what is measured, so that compiled code, garbage and memory are that subject's. The results come back as one line of JSON each.
/// <c>Bench.dll child SUBJECT MEASUREMENT[,MEASUREMENT] SCHEMA quick|full</c>
/// </summary>
internal static class Child
{
    public const string Floor = "floor";
    public const string Ours = "ours";
    public const string Verb = "child";
    public const string IdleWorker = "idle_worker";
    public const string IdleScheduler = "idle_scheduler";
    public const string Due = "due";
    public const string GrowthDrain = "growth_drain";
    private const string Ready = "ready";
    private const string Quick = "quick";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    public static ISubject Subject(string name, string schema) => name == Floor ? new FloorSubject(schema) : new OursSubject(schema);

    /// <summary>In the child.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var (subject, what, schema, size) = (args[1], args[2], args[3], args[4]);
        if (what is IdleWorker or IdleScheduler)
        {
            await using var run = await new OursSubject(schema).StartAsync(what == IdleWorker ? new Work(Load.Queue, 20, new Handled()) : null, scheduler: what == IdleScheduler);
            Console.WriteLine(Ready);
            await Console.In.ReadLineAsync(); // until the parent has seen enough, or is gone
            return 0;
        }

        if (what == GrowthDrain)
        {
            Console.WriteLine(JsonSerializer.Serialize(await Growth.DrainAsync(schema, int.Parse(size))));
            return 0;
        }

        if (what == Due)
        {
            Console.WriteLine(JsonSerializer.Serialize(await DueTimes.MeasureAsync(schema, size == Quick ? 100 : 500)));
            return 0;
        }

        var sizes = size == Quick ? Sizes.Quick : Sizes.Full;
        foreach (var measurement in what.Split(','))
        {
            var own = SchemaOf(schema, measurement);
            Console.WriteLine(JsonSerializer.Serialize(await new Measure(Subject(subject, own), own, sizes.Warm, sizes.Of(measurement)).RunAsync(measurement)));
        }

        return 0;
    }

    /// <summary>Where the measurements of one child are kept apart.</summary>
    public static string SchemaOf(string schema, string measurement) => $"{schema}_{Array.IndexOf(Metric.Measurements, measurement)}";

    /// <summary>In the parent: these measurements of a subject, in one process.</summary>
    public static Task MeasureAsync(
        string subject, IReadOnlyList<string> measurements, string schema, bool quick, Action<string, Dictionary<string, double>> measured, CancellationToken stop)
    {
        var left = new Queue<string>(measurements);
        return RunAsync(subject, string.Join(',', measurements), schema, quick ? Quick : "full", Limit, result => measured(left.Dequeue(), result), stop);
    }

    /// <summary>In the parent: whether scheduled jobs start on time.</summary>
    public static Task MeasureDueAsync(string schema, bool quick, Action<Dictionary<string, double>> measured, CancellationToken stop) =>
        RunAsync(Ours, Due, schema, quick ? Quick : "full", Limit, measured, stop);

    /// <summary>In the parent: a drain with much else there.</summary>
    public static Task DrainGrownAsync(string schema, int jobs, Action<Dictionary<string, double>> measured, CancellationToken stop) =>
        RunAsync(Ours, GrowthDrain, schema, $"{jobs}", Limit + TimeSpan.FromMilliseconds(jobs), measured, stop); // no system is slower than that

    private static async Task RunAsync(
        string subject, string what, string schema, string size, TimeSpan most, Action<Dictionary<string, double>> measured, CancellationToken stop)
    {
        using var process = Start(subject, what, schema, size, Servers.Postgres);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(most);
        try
        {
            process.StandardInput.Close();
            while (await process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                measured(JsonSerializer.Deserialize<Dictionary<string, double>>(line)!);
            }

            await process.WaitForExitAsync(limit.Token);
            if (process.ExitCode != 0)
            {
                throw new BenchException($"Measuring {what} of {subject} failed; its own words are above.");
            }
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new BenchException($"Measuring {what} of {subject} did not end within {most.TotalMinutes:F0} minutes: jobs are lost, or something else keeps the machine busy.");
        }
        finally
        {
            End(process);
        }
    }

    /// <summary>In the parent: a process that idles until it is ended. Returns when it is ready.</summary>
    public static async Task<Process> StartIdleAsync(string what, string schema, string postgres, CancellationToken stop)
    {
        var process = Start(Ours, what, schema, "", postgres);
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

    private static Process Start(string subject, string what, string schema, string size, string postgres)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [typeof(Child).Assembly.Location, Verb, subject, what, schema, size])
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
