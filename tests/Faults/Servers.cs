using System.Collections.Concurrent;
using System.Diagnostics;
using DotNet.Testcontainers.Configurations;
using DotNet.Testcontainers.Containers;
using Docker.DotNet.Models;
using Testcontainers.PostgreSql;
using Testcontainers.RabbitMq;

namespace Jobs.Tests.Faults;

internal enum Server
{
    Postgres,
    RabbitMq,
}

/// <summary>The two servers under test, and the power to cut theirs.</summary>
internal abstract class Servers : IAsyncDisposable
{
    private readonly HashSet<Server> _down = [];

    public required string Postgres { get; init; }

    public required string RabbitMq { get; init; }

    public required string Management { get; init; }

    /// <summary>Why servers cannot be killed here; null when they can. Known before anything is started, for the attributes of the tests.</summary>
    public static string? Untouchable =>
        Environment.GetEnvironmentVariable("JOBS_POSTGRES") is null ? null
        : Environment.GetEnvironmentVariable("JOBS_SERVERS") is null or "external"
            ? "The servers are external (JOBS_SERVERS=external) and this test kills them; run it with `./run test` on servers of its own."
        : Environment.GetEnvironmentVariable("JOBS_SERVERS_SCRIPT") is null
            ? "JOBS_SERVERS_SCRIPT is not set, so the servers cannot be killed from here; run it with `./run test`."
        : null;

    public static async Task<Servers> FindAsync()
    {
        if (Environment.GetEnvironmentVariable("JOBS_POSTGRES") is not { } postgres)
        {
            return await ContainerServers.StartAsync();
        }

        var rabbit = Environment.GetEnvironmentVariable("JOBS_RABBITMQ") ?? throw new InvalidOperationException("JOBS_POSTGRES is set but JOBS_RABBITMQ is not.");
        var management = Environment.GetEnvironmentVariable("JOBS_RABBITMQ_MANAGEMENT") ?? $"http://{new Uri(rabbit).Host}:15672";
        return new ScriptServers { Postgres = postgres, RabbitMq = rabbit, Management = management };
    }

    /// <summary>SIGKILL for the broker, an immediate stop for Postgres.</summary>
    public async Task KillAsync(Server server)
    {
        _down.Add(server);
        await CutAsync(server);
        Tally.Kill();
    }

    public async Task StartAsync(Server server)
    {
        await PowerAsync(server);
        _down.Remove(server);
    }

    /// <summary>Starts what a test that failed half way left down.</summary>
    public async Task RepairAsync()
    {
        foreach (var server in _down.ToArray())
        {
            await StartAsync(server);
        }
    }

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

    protected abstract Task CutAsync(Server server);

    protected abstract Task PowerAsync(Server server);

    /// <summary>Those of eng/servers.sh, whichever kind they are.</summary>
    private sealed class ScriptServers : Servers
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

        /// <summary>What the test run was given stays with it (a lock that it runs under, say): a server outlives it.</summary>
        private const string Alone = """
            for fd in /proc/$$/fd/*; do fd=${fd##*/}; if [ "$fd" -gt 2 ] 2>/dev/null; then eval "exec $fd>&-"; fi; done
            exec bash "$0" "$@" >/dev/null
            """;

        protected override Task CutAsync(Server server) => RunAsync("kill", server);

        protected override Task PowerAsync(Server server) => RunAsync("start", server);

        private static async Task RunAsync(string verb, Server server)
        {
            var script = Environment.GetEnvironmentVariable("JOBS_SERVERS_SCRIPT") ?? throw new InvalidOperationException(Untouchable);
            // Only stderr is kept. A server that the script starts inherits the pipe, so its end is not the script's end: the exit is.
            var start = new ProcessStartInfo("bash", ["-c", Alone, script, verb, server.ToString().ToLowerInvariant()]) { UseShellExecute = false, RedirectStandardError = true };
            using var process = Process.Start(start)!;
            var said = new ConcurrentQueue<string>();
            process.ErrorDataReceived += (_, e) => said.Enqueue(e.Data ?? "");
            process.BeginErrorReadLine();
            if (!await Task.Run(() => process.WaitForExit(Patience)))
            {
                process.Kill(entireProcessTree: true);
                throw new TimeoutException($"{script} {verb} {server} has not ended in {Patience.TotalSeconds} s: {string.Join('\n', said)}");
            }

            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException($"{script} {verb} {server}: {string.Join('\n', said)}");
            }
        }
    }

    /// <summary>Containers of this run, on ports that they keep when they are started again.</summary>
    private sealed class ContainerServers(PostgreSqlContainer postgres, RabbitMqContainer rabbit) : Servers
    {
        public static async Task<Servers> StartAsync()
        {
            var (sql, amqp, http) = (FreePort(), FreePort(), FreePort());
            var postgres = new PostgreSqlBuilder("postgres:18").WithDatabase("jobs").WithUsername("jobs").WithPassword("jobs")
                .WithCommand("-c", "max_connections=200", "-c", "max_prepared_transactions=100").WithPortBinding(sql, 5432).Build();
            var rabbit = new RabbitMqBuilder("rabbitmq:4.4-management").WithUsername("jobs").WithPassword("jobs")
                .WithHostname("rabbitmq") // names the node, and with it its data
                .WithPortBinding(amqp, 5672).WithPortBinding(http, 15672).Build();
            await Task.WhenAll(postgres.StartAsync(), rabbit.StartAsync());
            return new ContainerServers(postgres, rabbit)
            {
                Postgres = $"Host={postgres.Hostname};Port={sql};Username=jobs;Password=jobs;Database=jobs",
                RabbitMq = $"amqp://jobs:jobs@{rabbit.Hostname}:{amqp}/",
                Management = $"http://{rabbit.Hostname}:{http}",
            };
        }

        public override async ValueTask DisposeAsync()
        {
            await postgres.DisposeAsync();
            await rabbit.DisposeAsync();
        }

        protected override async Task CutAsync(Server server)
        {
            using var docker = TestcontainersSettings.OS.DockerEndpointAuthConfig.GetDockerClientBuilder().Build();
            await docker.Containers.KillContainerAsync(Container(server).Id, new ContainerKillParameters { Signal = "SIGKILL" });
        }

        protected override async Task PowerAsync(Server server)
        {
            await Container(server).StartAsync();
            await Eventually.HoldsAsync($"{server} answers", server == Server.Postgres ? PostgresAnswersAsync : RabbitAnswersAsync);
        }

        private IContainer Container(Server server) => server == Server.Postgres ? postgres : rabbit;

        private async Task<bool> PostgresAnswersAsync()
        {
            await using var connection = new Npgsql.NpgsqlConnection(Postgres + ";Pooling=false");
            await connection.OpenAsync();
            return true;
        }

        private async Task<bool> RabbitAnswersAsync()
        {
            await using var connection = await new RabbitMQ.Client.ConnectionFactory { Uri = new Uri(RabbitMq) }.CreateConnectionAsync();
            return true;
        }

        private static int FreePort()
        {
            using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
            listener.Start();
            return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        }
    }
}
