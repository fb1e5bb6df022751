using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.Scheduler;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Adds a scheduler to a process.</summary>
public static class SchedulerBuilderExtensions
{
    /// <summary>This process takes part in time and repair. At least one process of an installation must; two or more, so that one may fail.</summary>
    public static JobsBuilder AddScheduler(this JobsBuilder builder, Action<SchedulerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        services.TryAddSingleton(provider =>
        {
            var options = new SchedulerOptions();
            configure?.Invoke(options);
            var settings = new Settings(provider.GetService<IConfiguration>()?.GetSection("Jobs:Scheduler"));
            options.KeepSucceededDays ??= settings.OptionalNumber(nameof(options.KeepSucceededDays));
            options.KeepOthersDays ??= settings.OptionalNumber(nameof(options.KeepOthersDays));
            return options;
        });
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<JobsOptions>, Validation>());
        services.TryAddSingleton<SchedulerTelemetry>();
        services.TryAddSingleton<DepthStore>();
        services.TryAddSingleton<Depths>();
        services.TryAddSingleton<Leadership>();
        services.AddSingleton(p => new Probe("scheduler", _ => ValueTask.FromResult(p.GetRequiredService<Leadership>().Fault)));
        services.TryAddSingleton<Rescuer>();
        services.TryAddSingleton<DueJobs>();
        services.TryAddSingleton<Reconciler>();
        services.TryAddSingleton<Expirer>();
        services.TryAddSingleton<TieSweep>();
        services.TryAddSingleton<Canceller>();
        services.TryAddSingleton<Gatekeeper>();
        services.TryAddSingleton<Ageing>();
        services.TryAddSingleton<Fairness>();
        services.TryAddSingleton<Retention>();
        services.TryAddSingleton<Throughput>();
        services.TryAddSingleton<Audit>();
        services.TryAddSingleton<LeaderServices>();
        services.TryAddSingleton<QuartzDatabase>();
        services.TryAddSingleton<Recorder>();
        services.TryAddSingleton<Firing>();
        services.TryAddSingleton<Triggers>();
        services.TryAddSingleton<Recurring>();
        services.Configure<SessionProfile>(profile => profile.Roles.Add("scheduler"));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, SchedulerService>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, Ingester>());
        return builder;
    }

    /// <summary>Listed with the faults of the shared options, so that a start shows all there are.</summary>
    private sealed class Validation(SchedulerOptions scheduler) : IValidateOptions<JobsOptions>
    {
        public ValidateOptionsResult Validate(string? name, JobsOptions options)
        {
            var faults = scheduler.Faults().ToList();
            return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
        }
    }
}
