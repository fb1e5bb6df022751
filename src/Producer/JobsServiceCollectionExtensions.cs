using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.Producer;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Jobs;

/// <summary>Adds the platform to an app.</summary>
public static class JobsServiceCollectionExtensions
{
    /// <summary>
    /// Adds <see cref="IJobClient"/>, <see cref="IJobSchedules"/> and <see cref="IJobOperator"/>. Options come from the configuration section <c>Jobs</c>, then from <paramref name="configure"/>;
    /// they are checked when the host starts, all faults at once.
    /// </summary>
    public static JobsBuilder AddJobs(this IServiceCollection services, Action<JobsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var builder = Platform.Add(services, configure);
        services.TryAddSingleton<ProducerTelemetry>();
        services.TryAddSingleton<EnqueueBatcher>();
        services.TryAddSingleton<Watcher>();
        services.TryAddSingleton<LogReader>();
        services.TryAddSingleton<IJobClient, JobClient>();
        services.TryAddSingleton<Control>();
        services.TryAddSingleton<IJobOperator, JobOperator>();
        services.TryAddSingleton<Storyteller>();
        services.TryAddSingleton<Reasons>();
        services.TryAddSingleton<LimitReasons>();
        services.TryAddSingleton<BranchReasons>();
        services.TryAddSingleton<Explainer>();
        services.TryAddSingleton<Doctor>();
        services.TryAddSingleton<TransactionDesk>();
        services.TryAddSingleton<IJobSchedules, JobSchedules>();
        services.TryAddSingleton<IJobLimits, JobLimits>();
        services.TryAddSingleton(p => new JobLimiters(p.GetRequiredService<LimitStore>(), p.GetRequiredService<Session>(), p.GetRequiredService<Admissions>(), p.GetRequiredService<Signals>(),
            p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILogger<JobLimiters>>()));
        return builder;
    }
}
