using System.CommandLine;
using Jobs.Coordination;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs scheduler`: takes part in time and repair until SIGTERM. Run two, so that one may fail.</summary>
internal static class SchedulerCommand
{
    public static Command Create(Target target)
    {
        var command = new Command("scheduler", "Run a scheduler until SIGTERM or Ctrl-C: due jobs, rescue, lost tickets, retention");
        var endpoint = new Option<int?>("--endpoint")
        {
            HelpName = "PORT", Description = "Also listen on this port: /metrics for Prometheus, /health/live, /health/ready (9464 is usual; 0 takes a free one)",
        };
        command.Options.Add(endpoint);
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(endpoint), ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, int? port, CancellationToken ct)
    {
        // Not the current directory: a scheduler must not read the settings file of whatever it is started beside.
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        var verbose = target.Verbose(parsed);
        builder.Logging.ClearProviders().SetMinimumLevel(verbose ? LogLevel.Debug : LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning)
            .AddFilter("Quartz", LogLevel.Warning)
            .AddFilter("Microsoft.Extensions.Hosting", verbose ? LogLevel.Debug : LogLevel.Critical) // a failed start is said in one line, by this command
            .AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat, console.UseUtcTimestamp) = (true, "HH:mm:ss.fff'Z' ", true));
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        var jobs = builder.Services.AddJobs(options => target.Configure(parsed, options, broker: true)).AddScheduler();
        if (port is { } listen)
        {
            jobs.AddEndpoint(listen);
        }

        using var host = builder.Build();
        try
        {
            await host.StartAsync(ct);
        }
        catch (OperationCanceledException) when (host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested)
        {
            return ExitCode.Done; // told to end while it still waited for Postgres
        }

        var (schema, session) = (target.Schema(parsed), host.Services.GetRequiredService<Session>().Current.Id);
        target.Output(parsed).Write(
            new { schema, session },
            _ => Output.Remark($"The scheduler of schema \"{schema}\" runs; Ctrl-C or SIGTERM ends it."));
        await host.WaitForShutdownAsync(ct);
        return ExitCode.Done;
    }
}
