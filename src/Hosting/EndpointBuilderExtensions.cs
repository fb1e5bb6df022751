using Jobs.Coordination;
using Jobs.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Makes a process visible to Prometheus and to whatever watches over it.</summary>
public static class EndpointBuilderExtensions
{
    /// <summary>The tag of health checks that <c>/health/ready</c> asks.</summary>
    public const string ReadyTag = "ready";

    /// <summary>The tag of health checks that <c>/health/live</c> asks.</summary>
    public const string LiveTag = "live";

    private const string Ready = "jobs";
    private const string Live = "jobs.loops";

    /// <summary>
    /// Listens on <paramref name="port"/>: <c>/metrics</c> for Prometheus; <c>/health/live</c>, 200 unless a loop of the platform hangs, for a restart; <c>/health/ready</c>, 200 while this process
    /// can do its part (a session is open, Postgres and the broker answer, the broker delivers to its queues, it is not stopping), else 503. In any host, web or not. It is there before
    /// all else starts, so a process that waits for Postgres is alive and not ready. Health checks of your own that have the tag <see cref="ReadyTag"/> or <see cref="LiveTag"/> are asked too.
    /// </summary>
    /// <param name="builder">What <c>AddJobs</c> returned.</param>
    /// <param name="port">As <see cref="EndpointOptions.Port"/>; null: the configuration's <c>Jobs:Endpoint:Port</c>, else 9464.</param>
    /// <param name="configure">Anything else.</param>
    /// <exception cref="InvalidOperationException">An endpoint was added already.</exception>
    public static JobsBuilder AddEndpoint(this JobsBuilder builder, int? port = null, Action<EndpointOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        if (services.Any(s => s.ServiceType == typeof(EndpointOptions)))
        {
            throw new InvalidOperationException("This process has an endpoint already; one shows all of its roles.");
        }

        var coded = new EndpointOptions();
        if (port is { } number)
        {
            coded.Port = number;
        }

        configure?.Invoke(coded);
        services.AddSingleton(provider => coded.Complete(new Settings(provider.GetService<IConfiguration>()?.GetSection("Jobs:Endpoint"))));
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<JobsOptions>, Validation>());
        services.AddSingleton<Endpoint>();
        services.AddHostedService(p => p.GetRequiredService<Endpoint>());
        return builder.AddHealthChecks();
    }

    /// <summary>
    /// Only the health checks, for apps that have endpoints of their own: <c>jobs</c> with the tag <see cref="ReadyTag"/>, <c>jobs.loops</c> with the tag <see cref="LiveTag"/>.
    /// </summary>
    public static JobsBuilder AddHealthChecks(this JobsBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddHealthChecks();
        builder.Services.Configure<HealthCheckServiceOptions>(o =>
        {
            if (o.Registrations.All(r => r.Name != Ready))
            {
                o.Registrations.Add(new HealthCheckRegistration(Ready, p => new ReadyCheck(p.GetServices<Probe>()), null, [ReadyTag]));
                o.Registrations.Add(new HealthCheckRegistration(Live, p => new LiveCheck(p.GetRequiredService<Pulses>()), null, [LiveTag]));
            }
        });
        return builder;
    }

    /// <summary>Listed with the faults of the shared options, so that a start shows all there are.</summary>
    private sealed class Validation(EndpointOptions endpoint) : IValidateOptions<JobsOptions>
    {
        public ValidateOptionsResult Validate(string? name, JobsOptions options)
        {
            var faults = endpoint.Faults().ToList();
            return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
        }
    }
}
