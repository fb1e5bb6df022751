using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Coordination;

/// <summary>What every role shares: options, the two servers, the session.</summary>
internal static class Platform
{
    public static JobsBuilder Add(IServiceCollection services, Action<JobsOptions>? configure)
    {
        services.AddLogging();
        services.AddOptions<JobsOptions>().ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IConfigureOptions<JobsOptions>, FromConfiguration>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<JobsOptions>, Validation>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IPostConfigureOptions<JobsOptions>, Freeze>());
        if (configure is not null)
        {
            services.Configure(configure);
        }

        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<Database>();
        services.TryAddSingleton<JobStore>();
        services.TryAddSingleton<RepairStore>();
        services.TryAddSingleton<SessionStore>();
        services.TryAddSingleton<QueryStore>();
        services.TryAddSingleton<QueueStore>();
        services.TryAddSingleton<JobSearch>();
        services.TryAddSingleton<ThroughputStore>();
        services.TryAddSingleton<ControlStore>();
        services.TryAddSingleton<TieStore>();
        services.TryAddSingleton<WatchStore>();
        services.TryAddSingleton<OutputStore>();
        services.TryAddSingleton<ScheduleStore>();
        services.TryAddSingleton<LedgerStore>();
        services.TryAddSingleton<TransactionStore>();
        services.TryAddSingleton<TransactionOrderStore>();
        services.TryAddSingleton<CoordinationTelemetry>();
        services.TryAddSingleton<BrokerTelemetry>();
        services.TryAddSingleton<Pulses>();
        services.TryAddSingleton<LimitStore>();
        services.TryAddSingleton<FairStore>();
        services.TryAddSingleton<LimitQuery>();
        services.TryAddSingleton<DeclaredLimits>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<JobsOptions>, LimitValidation>());
        services.TryAddSingleton<Admissions>();
        services.TryAddSingleton<Followers>();
        services.TryAddSingleton<Rows>();
        services.TryAddSingleton(p => new Topology(p.GetRequiredService<IOptions<JobsOptions>>().Value));
        services.TryAddSingleton(p => new BrokerConnection(p.GetRequiredService<IOptions<JobsOptions>>().Value, "publish", p.GetRequiredService<ILogger<BrokerConnection>>(), p.GetRequiredService<BrokerTelemetry>()));
        services.TryAddSingleton<TicketPublisher>();
        services.TryAddSingleton<Markers>();
        services.TryAddSingleton<Signals>();
        services.TryAddSingleton<StoryStore>();
        services.TryAddSingleton<AuditStore>();
        services.TryAddSingleton<BrokerProbe>();
        services.TryAddSingleton<Session>();
        services.AddSingleton(p => p.GetRequiredService<Session>().Probe);
        services.AddSingleton(p => new Probe("broker", ct => BrokerFaultAsync(p.GetRequiredService<BrokerConnection>(), ct)));
        services.AddHostedService(p => p.GetRequiredService<Session>());
        services.AddHostedService<BrokerCheck>();
        services.AddHostedService<LimitDeclarations>(); // before there is a worker in this process
        return new JobsBuilder(services);
    }

    /// <summary>Connects if there is no connection: a process that has nothing to publish would otherwise never find out that the broker is back.</summary>
    private static async ValueTask<string?> BrokerFaultAsync(BrokerConnection connection, CancellationToken ct)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
            deadline.CancelAfter(TimeSpan.FromSeconds(2));
            await connection.GetAsync(deadline.Token);
            return null;
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            return $"RabbitMQ cannot be reached: {e.Message}";
        }
    }

    private sealed class FromConfiguration(IServiceProvider provider) : IConfigureOptions<JobsOptions>
    {
        public void Configure(JobsOptions o)
        {
            var settings = new Settings(provider.GetService<IConfiguration>()?.GetSection("Jobs"));
            o.Postgres = settings.Text(nameof(o.Postgres), o.Postgres);
            o.RabbitMq = settings.Text(nameof(o.RabbitMq), o.RabbitMq);
            o.Schema = settings.Text(nameof(o.Schema), o.Schema);
            o.AppName = settings.Text(nameof(o.AppName), o.AppName);
            o.MaxArgumentBytes = settings.Number(nameof(o.MaxArgumentBytes), o.MaxArgumentBytes);
            o.MigrateAtStart = settings.Flag(nameof(o.MigrateAtStart), o.MigrateAtStart);
            o.AdvisoryLocks = settings.Flag(nameof(o.AdvisoryLocks), o.AdvisoryLocks);
            o.SessionTtl = settings.Seconds("SessionTtlSeconds", o.SessionTtl);
        }
    }

    private sealed class Validation : IValidateOptions<JobsOptions>
    {
        public ValidateOptionsResult Validate(string? name, JobsOptions options)
        {
            var faults = options.Faults().ToList();
            try
            {
                _ = new Npgsql.NpgsqlConnectionStringBuilder(options.Postgres);
            }
            catch (ArgumentException e)
            {
                faults.Add($"Postgres is not an Npgsql connection string ({e.Message}); it looks like \"Host=localhost;Username=jobs;Password=...;Database=jobs\".");
            }

            return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults.Select(f => "JobsOptions." + f));
        }
    }

    /// <summary>Listed with the faults of the shared options, so that a start shows all there are.</summary>
    private sealed class LimitValidation(DeclaredLimits declared) : IValidateOptions<JobsOptions>
    {
        public ValidateOptionsResult Validate(string? name, JobsOptions options) =>
            declared.Read().Faults is { Count: > 0 } faults ? ValidateOptionsResult.Fail(faults) : ValidateOptionsResult.Success;
    }

    /// <summary>Once in use, JSON options are read-only; without a resolver of the user's they use reflection.</summary>
    private sealed class Freeze : IPostConfigureOptions<JobsOptions>
    {
        public void PostConfigure(string? name, JobsOptions options) => options.Json.MakeReadOnly(populateMissingResolver: true);
    }

    /// <summary>A broker that is too old, or that refuses the user, stops the start; one that is away does not: the rows are the truth.</summary>
    private sealed class BrokerCheck(BrokerConnection connection, ILogger<BrokerConnection> log) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            try
            {
                await connection.GetAsync(cancellationToken);
            }
            catch (Exception e) when (e is not JobsException && !cancellationToken.IsCancellationRequested && !IsRefusal(e))
            {
                log.BrokerAbsentAtStart(e.Message);
            }
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        private static bool IsRefusal(Exception? e) =>
            e is not null && (e is RabbitMQ.Client.Exceptions.AuthenticationFailureException || IsRefusal(e.InnerException));
    }
}
