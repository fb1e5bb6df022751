using System.Runtime.InteropServices;
using Jobs.Bench;
using Jobs.Bench.Ours;
using Spectre.Console;

try
{
    return args is [Child.Verb, ..] ? await Child.RunAsync(args) : await RunAsync(BenchOptions.Parse(args));
}
catch (BenchException e)
{
    await Console.Error.WriteLineAsync($"error: {e.Message}");
    return 1;
}
catch (OperationCanceledException)
{
    await Console.Error.WriteLineAsync("stopped; what the benchmark had made on the servers is removed");
    return 130;
}

static async Task<int> RunAsync(BenchOptions options)
{
    if (options.Help)
    {
        Console.WriteLine(BenchOptions.Usage);
        return 0;
    }

    Telemetered.Ask(options.Telemetry);
    using var stop = new CancellationTokenSource();
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
    if (Console.IsOutputRedirected)
    {
        AnsiConsole.Profile.Width = 160; // a file has no width; a table that wraps is no table
    }

    var steps = new StepLog();
    if (options.Growth)
    {
        var growth = await new Growth(options, steps, stop.Token).RunAsync();
        Growth.Write(growth);
        if (options.JsonFile is { } growthFile)
        {
            await Report.WriteJsonAsync(growthFile, growth);
        }

        return 0;
    }

    if (options.Features)
    {
        var features = await new Features(options, steps, stop.Token).RunAsync();
        Features.Write(features);
        if (options.JsonFile is { } featuresFile)
        {
            await Report.WriteJsonAsync(featuresFile, features);
        }

        return 0;
    }

    if (options.Ingest)
    {
        var ingest = await new Ingest(options, steps, stop.Token).RunAsync();
        Ingest.Write(ingest);
        if (options.JsonFile is { } ingestFile)
        {
            await Report.WriteJsonAsync(ingestFile, "ingest", ingest);
        }

        return 0;
    }

    if (options.Waits)
    {
        var waits = await new Waits(options, steps, stop.Token).RunAsync();
        Waits.Write(waits);
        if (options.JsonFile is { } waitsFile)
        {
            await Report.WriteJsonAsync(waitsFile, "waits", waits);
        }

        return 0;
    }

    if (options.Control)
    {
        var cancels = await new Cancels(options, steps, stop.Token).RunAsync();
        var control = await new Control(options, steps, stop.Token).RunAsync();
        Cancels.Write(cancels);
        Control.Write(control);
        if (options.JsonFile is { } controlFile)
        {
            await Report.WriteJsonAsync(controlFile, control, cancels);
        }

        return 0;
    }

    if (options.Limits)
    {
        var slots = await new SlotsUsed(options, steps, stop.Token).RunAsync();
        var limits = await new Limits(options, steps, stop.Token).RunAsync();
        var used = await new RatesUsed(options, steps, stop.Token).RunAsync();
        Limits.Write(limits);
        RatesUsed.Write(used);
        SlotsUsed.Write(slots);
        if (options.JsonFile is { } limitsFile)
        {
            await Report.WriteJsonAsync(limitsFile, limits, used, slots);
        }

        return 0;
    }

    if (options.Transactions)
    {
        var transactions = await new TransactionCosts(options, steps, stop.Token).RunAsync();
        TransactionCosts.Write(transactions);
        if (options.JsonFile is { } transactionsFile)
        {
            await Report.WriteJsonAsync(transactionsFile, transactions);
        }

        return 0;
    }

    if (options.Peers)
    {
        Peers.Write();
        return 0;
    }

    var machine = await Servers.DescribeAsync();
    steps.Say($"{machine}; {options.Rounds} rounds");
    var results = await new Rounds(options, steps, stop.Token).RunAsync();
    var due = options.WantsDue ? MeasureDueAsync() : Task.CompletedTask; // beside the idle processes, which are measured by what they themselves use
    var idle = options.WantsIdle ? await new Idle(options, steps, stop.Token).RunAsync() : new Dictionary<string, IdleCost>();
    await due;
    Report.Write(options, results, idle, machine);
    if (options.JsonFile is { } file)
    {
        await Report.WriteJsonAsync(file, results, idle);
    }

    return 0;

    async Task MeasureDueAsync()
    {
        var schema = $"{Rounds.Name}_due";
        try
        {
            await Child.MeasureDueAsync(schema, options.Quick, values =>
            {
                foreach (var (metric, value) in values)
                {
                    results.Add(Child.Ours, metric, value);
                }
            }, stop.Token);
        }
        finally
        {
            await Servers.RemoveAsync(schema);
        }
    }

    void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        stop.Cancel();
    }
}
