using System.Collections.Concurrent;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using RabbitMQ.Client;

namespace Jobs.Tests.Engine;

/// <summary>
/// One installation of the platform for one test: a schema of its own, the queues with its name as prefix, and any number of hosts. All of it is gone at the end.
/// </summary>
internal sealed class TestApp : IAsyncDisposable
{
    private static readonly SemaphoreSlim BrokerGate = new(1, 1);
    private static NpgsqlDataSource? _database;
    private static IConnection? _broker;

    private readonly ConcurrentQueue<(Work Job, JobContext Context)> _runs = [];
    private readonly HashSet<string> _queues = ["default", "malformed", "submit"];
    private readonly List<IHost> _hosts = [];
    private readonly IHost _client;

    private TestApp(Servers servers)
    {
        Servers = servers;
        _database ??= new NpgsqlDataSourceBuilder(servers.Postgres) { ConnectionStringBuilder = { ApplicationName = "tests", MaxPoolSize = 20 } }.Build();
        _client = Build(_ => { });
    }

    public Servers Servers { get; }

    public string Schema { get; } = "t" + Guid.NewGuid().ToString("N")[..12];

    public LogLines Log { get; } = new();

    /// <summary>Every run of a handler that <see cref="WorkerAsync"/> started, in order of beginning.</summary>
    public IReadOnlyCollection<(Work Job, JobContext Context)> Runs => _runs;

    /// <summary>A publisher that runs nothing.</summary>
    public IJobClient Jobs => _client.Services.GetRequiredService<IJobClient>();

    public IJobSchedules Schedules => Jobs.Schedules;

    public IJobOperator Operator => _client.Services.GetRequiredService<IJobOperator>();

    public IJobLimits Limits => _client.Services.GetRequiredService<IJobLimits>();

    public Database Database => _client.Services.GetRequiredService<Database>();

    public JobStore Store => _client.Services.GetRequiredService<JobStore>();

    public RepairStore Repair => _client.Services.GetRequiredService<RepairStore>();

    public QueueStore Queues => _client.Services.GetRequiredService<QueueStore>();

    public ControlStore Control => _client.Services.GetRequiredService<ControlStore>();

    public TieStore Ties => _client.Services.GetRequiredService<TieStore>();

    public AuditStore Audit => _client.Services.GetRequiredService<AuditStore>();

    public SessionStore Sessions => _client.Services.GetRequiredService<SessionStore>();

    public Markers Markers => _client.Services.GetRequiredService<Markers>();

    public static async Task<TestApp> CreateAsync(bool migrate = true)
    {
        var app = new TestApp(await Servers.Current);
        if (migrate)
        {
            await app.SqlAsync(Schemas.Script(app.Schema));
        }

        return app;
    }

    /// <summary>A host of this installation that has not been started.</summary>
    public IHost Build(Action<JobsBuilder> roles, Action<JobsOptions>? options = null, Action<IServiceCollection>? services = null, Dictionary<string, string?>? settings = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(settings ?? []);
        builder.Logging.AddProvider(Log);
        services?.Invoke(builder.Services);
        roles(builder.Services.AddJobs(o =>
        {
            (o.Postgres, o.RabbitMq, o.Schema, o.AppName) = (Servers.Postgres, Servers.RabbitMq, Schema, "tests");
            options?.Invoke(o);
        }));
        return builder.Build();
    }

    public async Task<IHost> StartAsync(IHost host)
    {
        _hosts.Add(host);
        await host.StartAsync();
        return host;
    }

    public Task<IHost> ProducerAsync(Action<JobsOptions>? options = null) => StartAsync(Build(_ => { }, options));

    public Task<IHost> SchedulerAsync(Action<SchedulerOptions>? configure = null, Action<JobsOptions>? options = null) =>
        StartAsync(Build(b => b.AddScheduler(configure), options));

    /// <summary>A worker on the queue <c>default</c>, unless <paramref name="more"/> names others, that runs <see cref="Work"/>.</summary>
    public Task<IHost> WorkerAsync(Run run, int concurrency = 4, RetryPolicy? retry = null, Action<WorkerOptions>? more = null, Action<JobsOptions>? options = null,
        Action<IServiceCollection>? services = null) => StartAsync(Build(b => b.AddWorker(w =>
    {
        w.HandleOutcome<Work, WorkHandler>(retry);
        w.ShutdownGrace = TimeSpan.FromSeconds(1);
        more?.Invoke(w);
        if (w.Queues.Count == 0)
        {
            w.Queue("default", concurrency);
        }

        _queues.UnionWith(w.Queues.Keys);
    }), options, s =>
    {
        s.AddSingleton<Run>((job, context, ct) =>
        {
            _runs.Enqueue((job, context));
            return run(job, context, ct);
        });
        services?.Invoke(s);
    }));

    public async Task StopAsync(IHost host)
    {
        await host.StopAsync();
        _hosts.Remove(host);
        await DisposeAsync(host);
    }

    // ---- looking

    public async Task<JobInfo> GetAsync(JobId id) => await Jobs.GetAsync(id) ?? throw new InvalidOperationException($"There is no job {id}. {Log.Tail()}");

    public Task<JobInfo> InStateAsync(JobId id, JobState state) => SeeAsync(id, j => j.State == state, $"job {id} is {state}");

    public Task<JobInfo> EndedAsync(JobId id) => SeeAsync(id, j => j.EndedAt is not null, $"job {id} has ended");

    public Task<JobInfo> SeeAsync(JobId id, Func<JobInfo, bool> done, string what) => Eventually.SeeAsync(() => GetAsync(id), done, what, Log.Tail);

    public Task SeeAsync(Func<bool> done, string what) => Eventually.SeeAsync(() => Task.FromResult(done()), d => d, what, Log.Tail);

    public Task LoggedAsync(int @event) => SeeAsync(() => Log.Of(@event).Any(), $"log line {@event}");

    public Task<long> LiveAsync() => ScalarAsync<long>("select count(*) from jobs.job");

    public Task<long> EndedAsync() => ScalarAsync<long>("select count(*) from jobs.history");

    /// <summary>All that was ever written has ended.</summary>
    public Task AllEndedAsync(long count) =>
        Eventually.SeeAsync(async () => (Live: await LiveAsync(), Ended: await EndedAsync()), n => n == (0, count), $"{count} jobs have ended and none is live", Log.Tail);

    /// <summary>The whole live row as text, to see that nothing at all changed; null when it is gone.</summary>
    public Task<string?> RowAsync(JobId id) => ScalarAsync<string?>("select j::text from jobs.job j where id = $1", id.Value);

    // ---- SQL and AMQP, as an operator could

    public async Task<T> ScalarAsync<T>(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteScalarAsync() is T value ? value : default!;
    }

    public async Task<int> SqlAsync(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>Room for ends of before today: a new schema has partitions from today on, and a test may run a minute after midnight.</summary>
    public Task EarlierAsync() => SqlAsync("""
        do $$ begin
          execute format('create table jobs.history_succeeded_earlier partition of jobs.history_succeeded for values from (minvalue) to (%L)', date_trunc('day', now(), 'UTC'));
          execute format('create table jobs.history_other_earlier partition of jobs.history_other for values from (minvalue) to (%L)', date_trunc('week', now(), 'UTC'));
        end $$
        """);

    public async Task<NpgsqlConnection> ConnectAsync() => await _database!.OpenConnectionAsync();

    public string InSchema(string sql) => Statements.InSchema(sql, Schema);

    /// <summary>As if its time had come.</summary>
    public Task MakeDueAsync(JobId id) => SqlAsync("update jobs.job set due_at = now() where id = $1 and state = 'scheduled'", id.Value);

    public string QueueName(string queue) => $"{Schema}.{queue}";

    public Task<T> OnBrokerAsync<T>(Func<IChannel, Task<T>> work) => OnBrokerAsync(work, null);

    /// <summary>On a channel whose publishing calls end with the broker's word, or throw.</summary>
    public Task<T> OnConfirmingBrokerAsync<T>(Func<IChannel, Task<T>> work) => OnBrokerAsync(work, new CreateChannelOptions(true, true));

    /// <summary>The exchange and the queue for other programs, before any scheduler has made them.</summary>
    public async Task DeclareSubmitAsync()
    {
        await using var connection = new BrokerConnection(new JobsOptions { RabbitMq = Servers.RabbitMq }, "tests", Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        await new Topology(new JobsOptions { Schema = Schema }).DeclareAsync(await connection.GetAsync(default), "submit", default);
    }

    /// <summary>How many messages are ready in a queue of jobs; null when it is not there.</summary>
    public Task<uint?> DepthAsync(string queue) => Markers.DepthAsync(queue, CancellationToken.None);

    public Task WaitForTicketsAsync(string queue, uint count) => Eventually.SeeAsync(() => DepthAsync(queue), n => n == count, $"{count} tickets in {queue}", Log.Tail);

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_hosts.AsEnumerable().Reverse().Select(async host =>
        {
            await host.StopAsync();
            await DisposeAsync(host);
        }));
        if (await ScalarAsync<bool>("select to_regclass('jobs.job') is not null"))
        {
            _queues.UnionWith((await ScalarAsync<string[]?>("select array_agg(distinct queue) from (select queue from jobs.job union select queue from jobs.history) q")) ?? []);
        }

        await DisposeAsync(_client);
        await OnBrokerAsync(async channel =>
        {
            foreach (var queue in _queues)
            {
                await channel.QueueDeleteAsync(QueueName(queue));
            }

            await channel.ExchangeDeleteAsync(QueueName("submit"));

            return true;
        });
        await SqlAsync($"set client_min_messages = warning; drop schema if exists {Schema}, {Schema}_quartz cascade");
    }

    private async Task<T> OnBrokerAsync<T>(Func<IChannel, Task<T>> work, CreateChannelOptions? options)
    {
        await BrokerGate.WaitAsync();
        try
        {
            _broker ??= await new ConnectionFactory { Uri = new Uri(Servers.RabbitMq), ClientProvidedName = "tests" }.CreateConnectionAsync();
        }
        finally
        {
            BrokerGate.Release();
        }

        await using var channel = await _broker.CreateChannelAsync(options);
        return await work(channel);
    }

    private static ValueTask DisposeAsync(IHost host) => ((IAsyncDisposable)host).DisposeAsync();

    private NpgsqlCommand Command(string sql, object[] values)
    {
        var command = _database!.CreateCommand(InSchema(sql));
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }
}
