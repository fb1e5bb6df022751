using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Endpoint = Jobs.Hosting.Endpoint;

namespace Jobs.Tests.Engine;

/// <summary>What a process shows over HTTP.</summary>
[Collection(Alone.Name)]
public sealed class EndpointTests : IDisposable
{
    /// <summary>Nobody listens there.</summary>
    private const int NoServer = 1;

    private readonly HttpClient _http = new();

    public void Dispose() => _http.Dispose();

    [Fact]
    public async Task Worker_and_scheduler_are_ready_alive_and_measured()
    {
        await using var app = await TestApp.CreateAsync();
        await using var host = (IAsyncDisposable)Both(app);
        var started = (IHost)host;
        await started.StartAsync();
        var (_, ready) = await Eventually.SeeAsync(() => Ask(started, "/health/ready"), a => a.Code == HttpStatusCode.OK, "it is ready", app.Log.Tail);
        using var json = JsonDocument.Parse(ready);
        var check = Assert.Single(json.RootElement.GetProperty("checks").EnumerateArray());
        Assert.Equal("Healthy", json.RootElement.GetProperty("status").GetString());
        Assert.Equal(["broker=ok", "scheduler=ok", "session=ok", "worker=ok"],
            check.GetProperty("data").EnumerateObject().Select(p => $"{p.Name}={p.Value}").Order(StringComparer.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await Ask(started, "/health/live")).Code);

        await app.Jobs.EnqueueAsync(new Work());
        await app.AllEndedAsync(1);
        var (_, metrics) = await Eventually.SeeAsync(() => Ask(started, "/metrics"), a => a.Text.Contains("\njobs_ended_total{", StringComparison.Ordinal), "the end is measured");
        var known = PrometheusNames.Instruments(started.Services).Select(PrometheusNames.Of).ToHashSet();
        var shown = metrics.Split('\n').Where(l => l.StartsWith("# TYPE jobs_", StringComparison.Ordinal)).Select(l => l.Split(' ')[2]).ToList();
        Assert.True(shown.Count > 20, metrics);
        Assert.Empty(shown.Except(known));
        Assert.Contains("\njobs_slots{jobs_queue=\"default\"}", metrics, StringComparison.Ordinal);
        Assert.Contains("\njobs_attempt_duration_seconds_bucket{", metrics, StringComparison.Ordinal);
        Assert.Contains("le=\"14400\"", metrics, StringComparison.Ordinal);
        await started.StopAsync();
        await Assert.ThrowsAsync<HttpRequestException>(() => Ask(started, "/health/live"));
    }

    [Fact]
    public async Task Process_without_a_broker_is_alive_and_not_ready()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.StartAsync(Both(app, o => o.RabbitMq = $"amqp://guest:guest@localhost:{NoServer}/"));
        var (code, text) = await Ask(host, "/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, code);
        Assert.Contains("RabbitMQ cannot be reached", text, StringComparison.Ordinal);
        Assert.Contains("does not deliver from default", text, StringComparison.Ordinal);
        Assert.Contains("\"session\":\"ok\"", text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await Ask(host, "/health/live")).Code);
    }

    [Fact]
    public async Task Process_that_waits_for_postgres_at_its_start_is_alive_and_not_ready()
    {
        await using var app = await TestApp.CreateAsync();
        var host = Both(app, o => o.Postgres = $"Host=localhost;Port={NoServer};Username=nobody;Database=none");
        await using var disposed = (IAsyncDisposable)host;
        using var stop = new CancellationTokenSource();
        var starting = host.StartAsync(stop.Token);
        await app.SeeAsync(() => host.Services.GetRequiredService<Endpoint>().Address is not null, "it listens");
        Assert.Equal(HttpStatusCode.OK, (await Ask(host, "/health/live")).Code);
        var (code, text) = await Ask(host, "/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, code);
        Assert.Contains("No session is open yet", text, StringComparison.Ordinal);
        Assert.False(starting.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
    }

    [Fact]
    public async Task Checks_of_the_app_itself_are_asked_too()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.StartAsync(app.Build(b => b.AddEndpoint(0), services: s => s.AddHealthChecks()
            .AddCheck("disk", () => HealthCheckResult.Unhealthy("The disk is full."), tags: [EndpointBuilderExtensions.ReadyTag])));
        var (code, text) = await Ask(host, "/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, code);
        Assert.Contains("The disk is full.", text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await Ask(host, "/health/live")).Code);
    }

    [Fact]
    public async Task Port_that_is_taken_stops_the_start_and_is_named()
    {
        await using var app = await TestApp.CreateAsync();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        var host = app.Build(b => b.AddEndpoint(configure: o => (o.Port, o.Address) = (port, "127.0.0.1")));
        await using var disposed = (IAsyncDisposable)host;
        var error = await Assert.ThrowsAsync<JobsException>(() => host.StartAsync());
        Assert.Contains($"cannot listen on port {port}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_port_and_address_are_named_with_all_other_faults()
    {
        await using var app = await TestApp.CreateAsync();
        var host = app.Build(b => b.AddEndpoint(), o => o.AppName = "", settings: new() { ["Jobs:Endpoint:Port"] = "70000", ["Jobs:Endpoint:Address"] = "here" });
        await using var disposed = (IAsyncDisposable)host;
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => host.StartAsync());
        Assert.Contains(error.Failures, f => f.Contains("Port 70000", StringComparison.Ordinal));
        Assert.Contains(error.Failures, f => f.Contains("Address \"here\"", StringComparison.Ordinal));
        Assert.Contains(error.Failures, f => f.Contains("AppName", StringComparison.Ordinal));
    }

    private static IHost Both(TestApp app, Action<JobsOptions>? options = null) => app.Build(
        b => b.AddWorker(w => w.Queue("default").HandleOutcome<Work, WorkHandler>().ShutdownGrace = TimeSpan.Zero).AddScheduler().AddEndpoint(0),
        options, s => s.AddSingleton(Runs.Done));

    private async Task<(HttpStatusCode Code, string Text)> Ask(IHost host, string path)
    {
        using var answer = await _http.GetAsync(new Uri(host.Services.GetRequiredService<Endpoint>().Address!, path));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
