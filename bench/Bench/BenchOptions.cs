using System.Globalization;
using Jobs.Bench.Ours;

namespace Jobs.Bench;

/// <summary>What the command line asks for.</summary>
internal sealed record BenchOptions
{
    public const string Usage = """
        ./run bench [OPTIONS]

          --quick               fewer jobs: a look in under 90 s instead of figures to publish
          --rounds N            how often each is measured, floor and platform in turns (default 3)
          --only A[,B]          of bulk_enqueue, single_enqueue, drain_c20, drain_c100, end_to_end, latency, due, idle;
                                with --transactions of floor, transfer_2, two_phase_2, two_phase_5, saga_2, saga_5
          --floor, --ours       only one of the two columns
          --telemetry WHAT      the platform measured while metrics (metrics), or metrics and traces (all), are collected
          --json FILE           the medians and ratios as one JSON object
          --peers               the table of other systems, measured earlier
          --features            instead: what unique keys, batches, deadlines, logs, progress and results cost when they are used
          --waits               instead: how soon those who wait for a job have its result
          --ingest              instead: how fast jobs come in by the SQL function and over AMQP
          --control             instead: how soon a running job hears that it is cancelled; what a command on 100,000 waiting
                                jobs takes, and takes from the work that runs
          --limits              instead: what limits and fairness cost where nothing is held back, and how much of a rate is used
          --transactions        instead: transactions that span services, their rate and latency, forced writes and messages;
                                beside a transfer between two databases written by hand
          --growth              instead: does the drain rate hold with a long queue and a long history?
          --growth-waiting N    jobs that wait behind those that are drained (default 1000000)
          --growth-history N    rows of history (default 10000000)
        """;

    public bool Help { get; private init; }
    public bool Quick { get; private init; }
    public bool Peers { get; private init; }
    public bool Growth { get; private init; }
    public bool Features { get; private init; }
    public bool Ingest { get; private init; }
    public bool Waits { get; private init; }
    public bool Control { get; private init; }
    public bool Limits { get; private init; }
    public bool Transactions { get; private init; }
    public bool FloorOnly { get; private init; }
    public bool OursOnly { get; private init; }
    public int Rounds { get; private init; } = 3;
    public int GrowthWaiting { get; private init; } = 1_000_000;
    public int GrowthHistory { get; private init; } = 10_000_000;
    public string? Telemetry { get; private init; }
    public string? JsonFile { get; private init; }
    public IReadOnlyList<string> Only { get; private init; } = [];

    public Sizes Sizes => Quick ? Sizes.Quick : Sizes.Full;

    public IReadOnlyList<string> Subjects => OursOnly ? [Child.Ours] : FloorOnly ? [Child.Floor] : [Child.Floor, Child.Ours];

    public IReadOnlyList<string> Measurements => [.. Metric.Measurements.Where(Wants)];

    public bool WantsDue => !FloorOnly && Wants(Child.Due);

    public bool WantsIdle => !FloorOnly && Wants(Metric.Idle);

    /// <exception cref="BenchException">Something on the command line is not understood.</exception>
    public static BenchOptions Parse(IEnumerable<string> args)
    {
        var options = new BenchOptions();
        var left = new Queue<string>(args);
        while (left.TryDequeue(out var arg))
        {
            options = arg switch
            {
                "--help" or "-h" => options with { Help = true },
                "--quick" => options with { Quick = true },
                "--peers" => options with { Peers = true },
                "--growth" => options with { Growth = true },
                "--features" => options with { Features = true },
                "--ingest" => options with { Ingest = true },
                "--waits" => options with { Waits = true },
                "--control" => options with { Control = true },
                "--limits" => options with { Limits = true },
                "--transactions" => options with { Transactions = true },
                "--floor" => options with { FloorOnly = true },
                "--ours" => options with { OursOnly = true },
                "--rounds" => options with { Rounds = Number(arg, left, 1, 100) },
                "--growth-waiting" => options with { GrowthWaiting = Number(arg, left, 0, 100_000_000) },
                "--growth-history" => options with { GrowthHistory = Number(arg, left, 0, 1_000_000_000) },
                "--telemetry" => options with { Telemetry = Value(arg, left) is (Telemetered.Metrics or Telemetered.All) and var what ? what
                    : throw new BenchException($"--telemetry takes {Telemetered.Metrics} or {Telemetered.All}.") },
                "--json" => options with { JsonFile = Value(arg, left) },
                "--only" => options with { Only = [.. options.Only, .. Value(arg, left).Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Measurement)] },
                _ => throw new BenchException($"\"{arg}\" is not an option of the benchmark; see ./run bench --help."),
            };
        }

        return options is { FloorOnly: true, OursOnly: true } ? throw new BenchException("--floor and --ours exclude each other; leave both out to compare them.") : options;
    }

    private bool Wants(string measurement) => Only.Count == 0 || Only.Contains(measurement);

    private static string Measurement(string name)
    {
        var measurement = Metric.IsLatency(name) ? Metric.Latency : name;
        return measurement is Metric.Idle or Child.Due || TransactionCosts.Names.Contains(name) || Metric.Measurements.Contains(measurement) ? measurement
            : throw new BenchException($"--only {name}: there is no such measurement; it is one of {string.Join(", ", Metric.Measurements)}, {Child.Due}, {Metric.Idle}.");
    }

    private static int Number(string option, Queue<string> left, int from, int to)
    {
        var text = Value(option, left);
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= from && value <= to ? value
            : throw new BenchException($"{option} {text}: it must be a whole number, {from} to {to}.");
    }

    private static string Value(string option, Queue<string> left) => left.TryDequeue(out var value) ? value : throw new BenchException($"{option} needs a value.");
}
