using System.Data.Common;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Quartz;

namespace Jobs.Scheduler;

/// <summary>
/// Quartz, clustered, in a schema of its own: it decides when to look, and the recorder what is due then. Nothing depends on it: a firing that is late, lost or doubled changes
/// only how soon a look is taken. Started with the first schedule, so an installation without schedules has no Quartz.
/// </summary>
internal sealed class Firing(
    QuartzDatabase database, ScheduleStore store, Recorder recorder, IOptions<JobsOptions> options, ILoggerFactory logs, TimeProvider time, ILogger<Firing> log) : IAsyncDisposable
{
    private const int Concurrency = 10;

    /// <summary>A node that has not checked in for this and the next together is dead to the others; until then the sweep does its work.</summary>
    private static readonly TimeSpan CheckIn = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan CheckInGrace = TimeSpan.FromSeconds(5);

    /// <summary>A trigger this late is moved to its next time: the sweep has taken the look by then.</summary>
    private static readonly TimeSpan Misfire = TimeSpan.FromSeconds(5);

    private DbDataSource? _connections;
    private StandaloneSchedulerFactory? _factory;
    private IScheduler? _quartz;
    private int _failures;

    /// <summary>The running Quartz; null while there is none.</summary>
    public IScheduler? Quartz => _quartz;

    /// <summary>Starts Quartz once there is a schedule. Returns when to ask again.</summary>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        if (_quartz is not null || await store.VersionAsync(ct) is not (> 0 and var count, _))
        {
            return TimeSpan.FromSeconds(1);
        }

        try
        {
            await StartAsync(ct);
            log.QuartzStarted(count);
            _failures = 0;
            return TimeSpan.FromSeconds(1);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            log.QuartzFailed(++_failures, e.Message);
            await StopAsync();
            return Transient.Delay(_failures) + TimeSpan.FromSeconds(1);
        }
    }

    /// <summary>Fires no more. Looks that are under way end by themselves.</summary>
    public async Task StopAsync()
    {
        var (factory, connections, quartz) = (_factory, _connections, _quartz);
        (_factory, _connections, _quartz) = (null, null, null);
        if (quartz is not null)
        {
            await quartz.Shutdown(waitForJobsToComplete: true);
        }

        if (factory is not null)
        {
            await factory.DisposeAsync();
        }

        if (connections is not null)
        {
            await connections.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task StartAsync(CancellationToken ct)
    {
        await database.MakeSchemaAsync(ct);
        var connections = _connections = database.Open();
        _factory = QuartzSchedulerBuilder.Create(q =>
        {
            q.Services.AddSingleton(logs);
            q.Services.AddSingleton<ILoggerProvider>(NullLoggerProvider.Instance); // without a provider Quartz puts a mute factory in the place of ours
            q.Services.AddSingleton(recorder);
            q.Services.AddSingleton(time);
            q.Services.AddSingleton(log);
            q.ConfigureScheduler(s =>
            {
                s.InstanceName = options.Value.Schema;
                s.InstanceId = $"{Environment.MachineName}-{Guid.NewGuid():N}";
                s.MaxBatchSize = Concurrency;
                s.PropagateTraceContext = false;
            });
            q.UseDefaultThreadPool(Concurrency);
            q.UsePersistentStore(p =>
            {
                p.UsePostgres(d => d.DataSourceFactory = _ => connections);
                p.UseClustering(c => (c.CheckinInterval, c.CheckinMisfireThreshold) = (CheckIn, CheckInGrace));
                p.ConfigureStore(o => (o.MisfireThreshold, o.CommandTimeout) = (Misfire, TimeSpan.FromSeconds(10)));
                p.ProvisionSchema();
            });
        }).Build();
        var quartz = await _factory.GetScheduler(ct);
        await quartz.Start(ct);
        _quartz = quartz;
    }
}

/// <summary>What Quartz runs at each firing: one look at one schedule.</summary>
internal sealed class Look(Recorder recorder, TimeProvider time, ILogger<Firing> log) : IJob
{
    public static readonly JobKey Key = new("look", "jobs");

    /// <summary>The database clock may be behind this machine's; beyond that the sweep takes the look.</summary>
    private static readonly TimeSpan ClockDifference = TimeSpan.FromSeconds(2);

    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        var name = Triggers.ScheduleOf(context.Trigger.Key);
        try
        {
            var due = context.ScheduledFireTimeUtc ?? context.FireTimeUtc;
            if (await recorder.RecordAsync(name, cancellationToken) is { } recorded && due - recorded.Now is { Ticks: > 0 } early && early < ClockDifference)
            {
                await Task.Delay(early, time, cancellationToken);
                await recorder.RecordAsync(name, cancellationToken);
            }
        }
        catch (Exception e)
        {
            log.FiringFailed(name, e.Message); // nor does Quartz try again: the sweep does
        }
    }
}
