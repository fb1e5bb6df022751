using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using FileIndex.Demo;
using Jobs;
using Npgsql;
using Spectre.Console;

namespace Bank.Demo;

/// <summary>`Bank demo`: from arguments to exit code.</summary>
internal static class DemoCommand
{
    private const int Interrupted = 130;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Contains("--help") || args.Contains("-h"))
        {
            Console.WriteLine(DemoOptions.Help);
            return 0;
        }

        // The first signal ends the demo in good order: processes, databases, schema and queues go. A second one ends it at once.
        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
        var json = args.Contains("--json");
        try
        {
            return await RunAsync(DemoOptions.Parse(args), stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return Complain("Interrupted; its processes, its databases, its schema and its queues are gone.", Interrupted, json);
        }
        catch (DemoException e)
        {
            return Complain(e.Message, e.ExitCode, json);
        }
        catch (Exception e) when (e is NpgsqlException or ArgumentException)
        {
            return Complain($"Postgres cannot be used ({e.Message}). Start it with ./run up, or correct JOBS_POSTGRES.", DemoException.Failed, json);
        }
        catch (Exception e) when (e is JobsException or InvalidOperationException)
        {
            return Complain(e.Message, DemoException.Failed, json);
        }
    }

    public static int WrongUsage(string[] args)
    {
        Console.Error.WriteLine(args.Length == 0 ? DemoOptions.Help : $"error: \"{string.Join(' ', args)}\" is not understood; the one role to start by hand is: demo");
        return DemoException.Usage;
    }

    private static async Task<int> RunAsync(DemoOptions options, CancellationToken ct)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = 1000; // no line of a report is to be broken in a file
        }

        var live = !options.Json && !Console.IsOutputRedirected && console.Profile.Capabilities is { Ansi: true, Interactive: true };
        View view = live ? new LiveView(console) : new PlainView();
        Report? report = null;
        await view.WhileAsync(async () => report = await new DemoRun(options, view).RunAsync(ct));
        if (options.Json)
        {
            Console.WriteLine(JsonSerializer.Serialize(report!.Figures, Json));
            report.WriteFaults(Console.Error);
        }
        else
        {
            report!.WriteTo(console);
        }

        return report.AllIsWell ? 0 : DemoException.Failed;
    }

    private static int Complain(string message, int exitCode, bool json)
    {
        Console.Error.WriteLine($"error: {message}");
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(new { error = message }, Json));
        }

        return exitCode;
    }
}
