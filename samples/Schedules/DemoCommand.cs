using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using FileIndex.Demo;

namespace Schedules;

/// <summary>What the demo was asked to do.</summary>
internal sealed record DemoOptions
{
    public double Minutes { get; private init; } = 1;
    public int Schedules { get; private init; } = 100;
    public int Schedulers { get; private init; } = 5;
    public double KillEvery { get; private init; } = 3;
    public bool Json { get; private init; }

    public static DemoOptions Parse(IReadOnlyList<string> args)
    {
        var options = new DemoOptions();
        for (var i = 0; i < args.Count; i++)
        {
            options = args[i] switch
            {
                "--json" => options with { Json = true },
                "--minutes" => options with { Minutes = Number(args, ref i, 0.1, 600) },
                "--schedules" => options with { Schedules = (int)Number(args, ref i, 1, 1000) },
                "--schedulers" => options with { Schedulers = (int)Number(args, ref i, 1, 20) },
                "--kill-every" => options with { KillEvery = Number(args, ref i, 0.5, 3600) },
                var arg => throw new DemoException($"\"{arg}\" is not understood. {DemoCommand.Usage}", DemoException.Usage),
            };
        }

        return options;
    }

    private static double Number(IReadOnlyList<string> args, ref int i, double from, double to)
    {
        var (name, text) = (args[i], i + 1 < args.Count ? args[++i] : "");
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= from && value <= to ? value
            : throw new DemoException($"{name} \"{text}\" is not allowed; use {from} to {to}.", DemoException.Usage);
    }
}

/// <summary>`Schedules demo`: from arguments to exit code.</summary>
internal static class DemoCommand
{
    public const string Usage = "Usage: ./run demo schedules [--minutes N] [--schedules N] [--schedulers N] [--kill-every SECONDS] [--json]";

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Contains("--help") || args.Contains("-h"))
        {
            Console.WriteLine(Usage + """


                Recurring jobs every second while the schedulers are killed one after the other. At the end every second of every schedule must have
                been enqueued exactly once.

                  --minutes N            how long; default 1
                  --schedules N          each with one job a second; default 100
                  --schedulers N         processes; default 5
                  --kill-every SECONDS   one of them is killed and replaced; default 3
                  --json                 one object on stdout; progress on stderr

                Exit code: 0 none missed and none doubled; 1 some were, or it could not be run; 2 wrong usage.
                """);
            return 0;
        }

        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            var options = DemoOptions.Parse(args);
            var figures = await new DemoRun(options).RunAsync(stop.Token);
            Console.WriteLine(options.Json ? JsonSerializer.Serialize(figures, Json) : figures.ToText());
            return figures is { Missed: 0, Doubled: 0 } ? 0 : DemoException.Failed;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("error: Interrupted; its processes, its schema and its queues are gone.");
            return 130;
        }
        catch (DemoException e)
        {
            await Console.Error.WriteLineAsync($"error: {e.Message}");
            return e.ExitCode;
        }

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested; // the second one ends it at once
            stop.Cancel();
        }
    }
}

/// <summary>What `--json` prints, under these names in snake case. Lateness: from the scheduled instant to its record in the ledger.</summary>
internal sealed record Figures(long Occurrences, long Missed, long Doubled, int Kills, double Seconds, double LatenessP50Ms, double LatenessP99Ms)
{
    public string ToText() => $"""

        occurrences   {Occurrences:N0}
        missed        {Missed:N0}
        doubled       {Doubled:N0}
        kills         {Kills:N0}
        seconds       {Seconds:N1}
        lateness      p50 {LatenessP50Ms:N0} ms, p99 {LatenessP99Ms:N0} ms (kills included)
        """;
}
