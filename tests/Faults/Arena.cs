using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Tests.Faults;

/// <summary>One installation for one test: a schema and queues of its own, real processes, and a book of all that was promised. Gone at the end, but for the logs.</summary>
internal sealed class Arena : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Child, Task> _deaths = new();
    private readonly Dictionary<string, string> _environment;
    private readonly IHost _host;
    private readonly ITestOutputHelper _output;
    private int _named;
    private int _inFlight;
    private volatile bool _closing;

    private Arena(Servers servers, ITestOutputHelper output, string test, int ttlSeconds)
    {
        (Servers, _output) = (servers, output);
        Schema = $"f_{Guid.NewGuid().ToString("N")[..12]}";
        Folder = Directory.CreateDirectory(Path.Combine(ServersFixture.Logs, $"{test}-{Schema}")).FullName;
        Ledger = new Ledger(Folder);
        Broker = new Broker(servers.RabbitMq, Schema);
        Db = NpgsqlDataSource.Create(servers.Postgres + ";Application Name=test;Maximum Pool Size=10");
        var seed = Environment.GetEnvironmentVariable("JOBS_TEST_SEED") is { } text ? int.Parse(text) : Random.Shared.Next();
        Random = new Random(seed);
        _environment = new Dictionary<string, string>
        {
            ["Jobs__Postgres"] = servers.Postgres,
            ["Jobs__RabbitMq"] = servers.RabbitMq,
            ["Jobs__Schema"] = Schema,
            ["Jobs__SessionTtlSeconds"] = $"{ttlSeconds}",
        };
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddProvider(new FileLogProvider(Path.Combine(Folder, "test.log")));
        builder.Services.AddJobs(o =>
        {
            (o.Postgres, o.RabbitMq, o.Schema, o.AppName) = (servers.Postgres, servers.RabbitMq, Schema, "test");
            o.SessionTtl = TimeSpan.FromSeconds(ttlSeconds);
        });
        _host = builder.Build();
        Load = new Load(_host.Services.GetRequiredService<IJobClient>(), Ledger, servers);
        Say($"schema {Schema}, seed {seed}, logs in {Folder}");
    }

    public Servers Servers { get; }

    public string Schema { get; }

    /// <summary>Logs, ledgers and lists of runs.</summary>
    public string Folder { get; }

    public Ledger Ledger { get; }

    public Load Load { get; }

    public Broker Broker { get; }

    public NpgsqlDataSource Db { get; }

    public Random Random { get; }

    public IJobClient Jobs => _host.Services.GetRequiredService<IJobClient>();

    public IJobOperator Operator => _host.Services.GetRequiredService<IJobOperator>();

    public IJobLimits Limits => _host.Services.GetRequiredService<IJobLimits>();

    public IJobSchedules Schedules => _host.Services.GetRequiredService<IJobSchedules>();

    /// <summary>Jobs that were running in processes when those were killed, as their rows said right after the death and before any rescue.</summary>
    public int InFlight => _inFlight;

    public IEnumerable<Child> Children => _deaths.Keys;

    public static async Task<Arena> OpenAsync(Servers servers, ITestOutputHelper output, int ttlSeconds = 15, [CallerMemberName] string test = "")
    {
        await servers.RepairAsync();
        var arena = new Arena(servers, output, test, ttlSeconds);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await arena._host.StartAsync(deadline.Token);
        return arena;
    }

    public void Say(string text) => _output.WriteLine(text);

    public Child StartWorker(int concurrency = 10, string? crashAt = null, params IEnumerable<string> more) =>
        Start("worker", crashAt, [$"--Concurrency={concurrency}", .. more]);

    /// <summary>Starts a server that was killed.</summary>
    public async Task StartAsync(Server server)
    {
        await Servers.StartAsync(server);
        Db.Clear(); // its connections are of the life before
    }

    public Child StartScheduler() => Start("scheduler", null, []);

    /// <summary>Jobs <paramref name="first"/> + 1 to <paramref name="last"/>. Processes of the same <paramref name="ledger"/> go on with each other's work.</summary>
    public Child StartProducer(string ledger, int last, int first = 0, string? crashAt = null, params IEnumerable<string> more) =>
        Start("producer", crashAt, [$"--Ledger={Ledger.FileOf(ledger)}", $"--First={first}", $"--Last={last}", .. more]);

    /// <summary>SIGKILL. Returns when they are gone and what they had in flight is counted.</summary>
    public Task KillAsync(params IEnumerable<Child> victims)
    {
        var all = victims.ToList();
        all.ForEach(v => v.Kill());
        return Task.WhenAll(all.Select(v => _deaths[v]));
    }

    /// <summary>Waits for processes that kill themselves, and for what they had in flight to be counted.</summary>
    public async Task DieAsync(params IEnumerable<Child> children)
    {
        foreach (var child in children.ToList())
        {
            await child.ExitAsync();
            Assert.True(child.WasKilled, $"{child.Name} was to be killed, but ended with exit code {child.ExitCode}; see {child.Log}");
            await _deaths[child];
        }
    }

    /// <summary>What the dead had in flight is counted.</summary>
    public Task SettleAsync() => Task.WhenAll(_deaths.Where(d => d.Key.HasExited).Select(d => d.Value));

    /// <summary>A process of any role.</summary>
    public Child Start(string role, string? crashAt, IEnumerable<string> arguments)
    {
        var environment = crashAt is null ? _environment : new Dictionary<string, string>(_environment) { ["JOBS_CRASH_AT"] = crashAt };
        var child = new Child($"{role}-{Interlocked.Increment(ref _named)}", role, Folder, environment, arguments) { CrashAt = crashAt };
        _deaths[child] = WatchAsync(child);
        return child;
    }

    private async Task WatchAsync(Child child)
    {
        await child.Exited;
        if (_closing || !child.WasKilled)
        {
            return;
        }

        Tally.Kill();
        long running = 0;
        await Eventually.HoldsAsync("what it had in flight is counted", async () =>
        {
            running = await CountAsync("jobs.job where state = 'running' and session in (select id from jobs.session where process_id = $1)", child.Id);
            return true;
        });
        Interlocked.Add(ref _inFlight, (int)running);
    }

    public async Task<T?> AskAsync<T>(string sql, params object[] values)
    {
        await using var command = Db.CreateCommand(sql.Replace("jobs.", Schema + "."));
        command.CommandTimeout = 120; // to drop a database is to wait for a checkpoint
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return await command.ExecuteScalarAsync() is T result ? result : default;
    }

    /// <summary>How many rows a query counts.</summary>
    public Task<long> CountAsync(string from, params object[] values) => AskAsync<long>($"select count(*) from {from}", values);

    public Task<Guid> SessionOfAsync(Child child) => AskAsync<Guid>("select id from jobs.session where process_id = $1", child.Id);

    /// <summary>Waits until <paramref name="count"/> jobs run in this process.</summary>
    public Task RunningAsync(Child child, int count) => Eventually.HoldsAsync($"{child.Name} runs {count} jobs",
        async () => await CountAsync("jobs.job j join jobs.session s on s.id = j.session where j.state = 'running' and s.process_id = $1", child.Id) >= count);

    public async ValueTask DisposeAsync()
    {
        _closing = true;
        foreach (var child in Children)
        {
            child.Dispose();
        }

        await Servers.RepairAsync();
        await _host.StopAsync();
        var host = (IAsyncDisposable)_host;
        await host.DisposeAsync();
        var queues = new List<string> { "malformed", "default", "submit" };
        await using (var names = Db.CreateCommand($"select queue from {Schema}.history union select name from {Schema}.queue"))
        {
            await using var reader = await names.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                queues.Add(reader.GetString(0));
            }
        }

        await Broker.DeleteAsync(queues.Distinct());
        await using (var drop = Db.CreateCommand($"drop schema if exists {Schema}, {Schema}_quartz cascade"))
        {
            await drop.ExecuteNonQueryAsync();
        }

        await Db.DisposeAsync();
    }
}
