using System.Globalization;
using FileIndex.Demo;

namespace Bank.Demo;

/// <summary>What the demo was asked to do.</summary>
internal sealed record DemoOptions
{
    public const string Usage = "Usage: ./run demo transactions [--transfers N] [--trips N] [--seed S] [--kill-every SECONDS] [--no-kill] [--json]";

    public const string Help = Usage + """


        Moves money between two banks, each with a Postgres database of its own, with a ledger in a file as the third who must agree, and books
        journeys, while coordinators and participants are killed. At the end everybody's books are compared without the platform.

          --transfers N          1 to 1,000,000 two-phase transactions; default 10,000
          --trips N              0 to 100,000 sagas beside them; default 3 for every 100 transfers
          --seed S               of what is transferred, and who says no; default 1
          --kill-every SECONDS   0.2 to 3,600; default 5
          --no-kill              let all of them live
          --json                 one object on stdout; progress on stderr

        Exit code: 0 the books agree; 1 they do not, or it could not be run; 2 wrong usage.
        """;

    public int Transfers { get; private init; } = 10_000;
    public int Trips { get; private init; } = -1;
    public int Seed { get; private init; } = 1;
    public TimeSpan? KillEvery { get; private init; } = TimeSpan.FromSeconds(5);
    public bool Json { get; private init; }

    /// <summary>Not in the help: when all is audited, falsify the books in each way there is, and audit again.</summary>
    public bool Tamper { get; private init; }

    /// <exception cref="DemoException">Wrong usage.</exception>
    public static DemoOptions Parse(IReadOnlyList<string> args)
    {
        var options = new DemoOptions();
        for (var i = 0; i < args.Count; i++)
        {
            options = args[i] switch
            {
                "--json" => options with { Json = true },
                "--no-kill" => options with { KillEvery = null },
                "--tamper" => options with { Tamper = true },
                "--transfers" => options with { Transfers = (int)Number(args, ref i, 1, 1_000_000) },
                "--trips" => options with { Trips = (int)Number(args, ref i, 0, 100_000) },
                "--seed" => options with { Seed = (int)Number(args, ref i, int.MinValue, int.MaxValue) },
                "--kill-every" => options with { KillEvery = TimeSpan.FromSeconds(Number(args, ref i, 0.2, 3600)) },
                var arg => throw new DemoException($"\"{arg}\" is not understood. {Usage}", DemoException.Usage),
            };
        }

        return options.Trips < 0 ? options with { Trips = options.Transfers * 3 / 100 } : options;
    }

    private static double Number(IReadOnlyList<string> args, ref int i, double from, double to)
    {
        var (name, text) = (args[i], i + 1 < args.Count ? args[++i] : "");
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= from && value <= to && (value % 1 == 0 || name == "--kill-every") ? value
            : throw new DemoException($"{name} \"{text}\" is not allowed; use {from} to {to}{(name == "--kill-every" ? "" : ", a whole number")}.", DemoException.Usage);
    }
}
