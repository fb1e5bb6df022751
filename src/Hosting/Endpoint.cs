using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Jobs.Hosting;

/// <summary>
/// A web server of its own inside any host. It comes before the services that wait for the servers and goes after them, so that whoever watches over this process is always
/// answered. It shares nothing with a web app in the same process: neither its port, nor its pipeline, nor its metrics pipeline.
/// </summary>
internal sealed class Endpoint(
    EndpointOptions options, IOptions<JobsOptions> jobs, HealthCheckService checks, ILoggerFactory logs, ILogger<Endpoint> log) : IHostedLifecycleService, IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private WebApplication? _app;

    /// <summary>Where it listens, once it does.</summary>
    public Uri? Address { get; private set; }

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        _app = Build();
        try
        {
            await Detached.Run(() => _app.StartAsync(cancellationToken));
        }
        catch (IOException e)
        {
            throw new JobsException($"The endpoint cannot listen on port {options.Port}: {e.Message} Choose another one (configuration key Jobs:Endpoint:Port), or stop what has it.", e);
        }

        Address = new UriBuilder(_app.Urls.First()) { Host = options.Address == "*" ? "localhost" : options.Address }.Uri;
        log.Listening(options.Address, Address.Port);
    }

    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (_app is not null)
        {
            await _app.StopAsync(cancellationToken);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.DisposeAsync();
        }
    }

    private WebApplication Build()
    {
        // Empty: no settings file, no environment variable and no signal is this server's.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = jobs.Value.AppName, ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddRoutingCore();
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddProvider(new Passed(logs));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            if (options.Address == "*")
            {
                kestrel.ListenAnyIP(options.Port);
            }
            else
            {
                kestrel.Listen(options.Ip!, options.Port);
            }
        });
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(r => r.AddService(jobs.Value.AppName, serviceInstanceId: $"{Environment.MachineName}:{Environment.ProcessId}"))
            .WithMetrics(metrics => metrics.AddJobs(clients: true).AddMeter("System.Runtime").AddPrometheusExporter(Configure));
        var app = builder.Build();
        app.MapPrometheusScrapingEndpoint();
        app.MapGet("/health/live", (RequestDelegate)(context => AnswerAsync(context, EndpointBuilderExtensions.LiveTag)));
        app.MapGet("/health/ready", (RequestDelegate)(context => AnswerAsync(context, EndpointBuilderExtensions.ReadyTag)));
        return app;
    }

    /// <summary>Names without dots even for a Prometheus that would take them, so that the dashboard fits every one; without a label for the meter, which the name tells.</summary>
    private static void Configure(PrometheusAspNetCoreOptions o)
    {
        o.TranslationStrategy = PrometheusAspNetCoreTranslationStrategy.UnderscoreEscapingWithSuffixes;
        o.ScopeInfoEnabled = false;
    }

    private async Task AnswerAsync(HttpContext context, string tag)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        deadline.CancelAfter(Patience);
        var report = await checks.CheckHealthAsync(check => check.Tags.Contains(tag), deadline.Token);
        context.Response.StatusCode = report.Status == HealthStatus.Unhealthy ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK;
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        await JsonSerializer.SerializeAsync(context.Response.Body, new
        {
            status = report.Status.ToString(),
            checks = report.Entries.Select(e => new { name = e.Key, status = e.Value.Status.ToString(), description = e.Value.Description ?? e.Value.Exception?.Message, data = e.Value.Data }),
        }, JsonSerializerOptions.Web, context.RequestAborted);
    }

    /// <summary>The host around it decides when it ends.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    /// <summary>What the server has to say goes to the log of the host around it.</summary>
    private sealed class Passed(ILoggerFactory logs) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => logs.CreateLogger(categoryName);

        public void Dispose()
        {
            // it is not ours
        }
    }
}
