using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using RabbitMQ.Client;

namespace Jobs.Bench.Ours;

/// <summary>The platform as an app uses it: a generic host, the public API, the defaults.</summary>
internal sealed class OursSubject(string schema) : ISubject
{
    public Task CreateAsync() => Task.CompletedTask; // the first start migrates, the first ticket declares

    async Task<IRun> ISubject.StartAsync(Work? work) => await StartAsync(work);

    /// <param name="work">Null: no worker.</param>
    /// <param name="scheduler">Whether the scheduler runs in the same process.</param>
    public Task<Run> StartAsync(Work? work, bool scheduler = true) => work is null ? StartAsync(null, _ => { }, scheduler)
        : StartAsync(w => w.Queue(work.Queue, work.Concurrency).Handle<NoOp, NoOpHandler>(), s => s.AddSingleton(work.Handled), scheduler);

    public async Task<Run> StartAsync(Action<WorkerOptions>? worker, Action<IServiceCollection> services, bool scheduler = true, Action<JobsBuilder>? more = null)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true }); // no configuration files, and nobody who watches them
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Warning).AddSimpleConsole();
        builder.Logging.AddConsole(o => o.LogToStandardErrorThreshold = LogLevel.Trace); // stdout is for the result
        var jobs = builder.Services.AddJobs(o =>
        {
            o.Postgres = Servers.Postgres;
            o.RabbitMq = Servers.RabbitMq;
            o.Schema = schema;
            o.AppName = "bench";
        });
        services(builder.Services);
        more?.Invoke(jobs);
        if (worker is not null)
        {
            jobs.AddWorker(worker);
        }

        if (scheduler)
        {
            jobs.AddScheduler();
        }

        Telemetered.Add(jobs);
        var host = builder.Build();
        await host.StartAsync();
        return await Run.OpenAsync(host, schema);
    }

    internal sealed class Run : IRun
    {
        private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(2);
        private static readonly NoOp Job = new(Load.Text);

        private readonly IHost _host;
        private readonly string _schema;
        private readonly IJobClient _client;
        private readonly NpgsqlConnection _database;
        private readonly Running? _running;
        private readonly IConnection _broker;

        private Run(IHost host, string schema, NpgsqlConnection database, IConnection broker) => (_host, _schema, _client, _running, _database, _broker) =
            (host, schema, host.Services.GetRequiredService<IJobClient>(), host.Services.GetService<Running>(), database, broker);

        public static async Task<Run> OpenAsync(IHost host, string schema) => new(host, schema, await Servers.OpenAsync(), await Servers.ConnectAsync());

        public IJobClient Client => _client;

        /// <summary>A service of its host.</summary>
        public T Get<T>(string? key = null)
            where T : notnull => key is null ? _host.Services.GetRequiredService<T>() : _host.Services.GetRequiredKeyedService<T>(key);

        public IJobLimits Limits => _host.Services.GetRequiredService<IJobLimits>();

        public IJobOperator Operator => _host.Services.GetRequiredService<IJobOperator>();

        public async Task EnqueueManyAsync(string queue, int jobs, int priority)
        {
            var options = queue == Load.Queue && priority == Load.NormalPriority ? null : new EnqueueOptions { Queue = queue, Priority = priority };
            await _client.EnqueueManyAsync(Enumerable.Repeat(Job, jobs), options is null ? null : _ => options);
        }

        public Task EnqueueAsync() => _client.EnqueueAsync(Job);

        public async Task DispatchedAsync(string queue, int depth)
        {
            while (await DepthAsync(queue) < depth)
            {
                await Task.Delay(Look);
            }
        }

        /// <summary>How many tickets are ready in the queue.</summary>
        public Task<long> DepthAsync(string queue) => Servers.DepthAsync(_broker, $"{_schema}.{queue}");

        /// <summary>Every job that a handler has seen was claimed, so once the worker holds none whose end is not written, all of them have ended.</summary>
        public async Task EndedAsync()
        {
            while (_running is { Count: > 0 })
            {
                await Task.Delay(1); // as the floor does
            }
        }

        public Task<long> CountHistoryAsync() => Servers.ValueAsync<long>(_database, Sql.Read("count_history", _schema));

        /// <summary>From the first start to the last.</summary>
        public Task<double> SpanSecondsAsync() => Servers.ValueAsync<double>(_database, Sql.Read("span_of_starts", _schema));

        public async ValueTask DisposeAsync()
        {
            await _host.StopAsync();
            if (_host is IAsyncDisposable host)
            {
                await host.DisposeAsync();
            }

            await _database.DisposeAsync();
            await _broker.DisposeAsync();
        }
    }
}
