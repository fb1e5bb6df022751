using Jobs.Coordination;
using Jobs.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Adds a worker to a process.</summary>
public static class WorkerBuilderExtensions
{
    /// <summary>This process runs jobs: the queues and handlers that <paramref name="configure"/> names.</summary>
    /// <exception cref="InvalidOperationException">A worker was added already.</exception>
    public static JobsBuilder AddWorker(this JobsBuilder builder, Action<WorkerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        var services = builder.Services;
        if (services.Any(s => s.ServiceType == typeof(WorkerOptions)))
        {
            throw new InvalidOperationException("This process has a worker already; name all queues and handlers in one AddWorker.");
        }

        var coded = new WorkerOptions(services);
        configure(coded);
        services.AddSingleton(provider =>
        {
            foreach (var addition in provider.GetServices<WorkerAddition>())
            {
                addition.Add(coded);
            }

            return coded.Complete(new Settings(provider.GetService<IConfiguration>()?.GetSection("Jobs:Worker")));
        });
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<JobsOptions>, Validation>());
        services.AddSingleton<Running>();
        services.AddSingleton<WorkerTelemetry>();
        services.AddSingleton(p => new Probe("worker", _ => ValueTask.FromResult(Fault(p))));
        services.AddSingleton<Completer>();
        services.AddSingleton<Executor>();
        services.AddSingleton<CurrentAttempt>();
        services.AddSingleton<LogWriter>();
        services.AddSingleton<ProgressWriter>();
        services.AddSingleton<Output>();
        services.AddSingleton<ILoggerProvider, AttemptLogProvider>();
        services.AddOptions<LoggerFilterOptions>().Configure<WorkerOptions>((filter, worker) =>
        {
            if (worker.LogLevelIsSet) // in front: rules for this provider that are the app's own come later, and win
            {
                filter.Rules.Insert(0, new LoggerFilterRule(typeof(AttemptLogProvider).FullName, null, worker.LogLevel, null));
            }
        });
        services.AddSingleton<SlotPlan>();
        services.AddSingleton<OrderWatch>();
        services.AddOptions<SessionProfile>().Configure<WorkerOptions, Running, Executor, Completer, SlotPlan>((profile, worker, running, executor, completer, plan) =>
        {
            profile.Roles.Add("worker");
            profile.Types = [.. worker.Handlers.Keys];
            profile.Queues = worker.Queues;
            profile.Slots = plan.Report;
            profile.Running = () => running.Count;
            profile.Abandoned = () => running.Abandoned;
            profile.Refused = () => completer.Refused;
            profile.Cancel = executor.Cancel;
        });
        services.AddHostedService<WorkerService>();
        services.AddOptions<HostOptions>().Configure<WorkerOptions>((host, worker) =>
        {
            var needed = worker.ShutdownGrace + TimeSpan.FromSeconds(15);
            host.ShutdownTimeout = host.ShutdownTimeout > needed ? host.ShutdownTimeout : needed;
        });
        return builder;
    }

    private static string? Fault(IServiceProvider services)
    {
        if (services.GetService<IHostApplicationLifetime>()?.ApplicationStopping.IsCancellationRequested == true)
        {
            return "The worker stops: it takes no more jobs.";
        }

        var lines = services.GetRequiredService<WorkerTelemetry>().Lines().ToList();
        var watch = services.GetRequiredService<OrderWatch>();
        var silent = lines.Where(l => !l.Consuming && !watch.IsPaused(l.Queue)).Select(l => l.Queue).ToList();
        return lines.Count == 0 ? "The worker has not started."
            : silent.Count > 0 ? $"The broker does not deliver from {string.Join(", ", silent)}." : null;
    }

    /// <summary>Listed with the faults of the shared options, so that a start shows all there are.</summary>
    private sealed class Validation(WorkerOptions worker) : IValidateOptions<JobsOptions>
    {
        public ValidateOptionsResult Validate(string? name, JobsOptions options)
        {
            var faults = worker.Faults().ToList();
            return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
        }
    }
}
