using Jobs.EntityFrameworkCore;
using Jobs.Coordination;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Jobs that are part of what a <see cref="DbContext"/> saves.</summary>
public static class JobsDbContextExtensions
{
    /// <summary>
    /// Lets the context enqueue jobs: <c>services.AddDbContext&lt;Shop&gt;((sp, o) => o.UseNpgsql(...).UseJobs(sp))</c>. The context must use the database that holds the
    /// schema of the jobs. Its model gets one more entity, for the view that the jobs are inserted into; migrations leave it alone.
    /// </summary>
    /// <param name="options">The options of the context.</param>
    /// <param name="services">The app's services, with <see cref="JobsServiceCollectionExtensions.AddJobs"/> among them.</param>
    /// <exception cref="InvalidOperationException"><c>AddJobs</c> has not been called.</exception>
    public static DbContextOptionsBuilder UseJobs(this DbContextOptionsBuilder options, IServiceProvider services)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(services);
        if (services.GetService<IJobClient>() is not { } client || services.GetService<Rows>() is not { } rows)
        {
            throw new InvalidOperationException("UseJobs finds no IJobClient among the services; call services.AddJobs(...) first.");
        }

        var jobs = services.GetRequiredService<IOptions<JobsOptions>>().Value;
        var extension = new OutboxExtension(client, rows, jobs.Schema, jobs.MaxArgumentBytes, services.GetRequiredService<ILogger<Outbox>>());
        ((IDbContextOptionsBuilderInfrastructure)options).AddOrUpdateExtension(extension);
        return options;
    }

    /// <inheritdoc cref="UseJobs(DbContextOptionsBuilder, IServiceProvider)"/>
    public static DbContextOptionsBuilder<TContext> UseJobs<TContext>(this DbContextOptionsBuilder<TContext> options, IServiceProvider services)
        where TContext : DbContext
    {
        UseJobs((DbContextOptionsBuilder)options, services);
        return options;
    }

    /// <summary>The jobs of this context.</summary>
    /// <exception cref="InvalidOperationException">The context's options lack <see cref="UseJobs(DbContextOptionsBuilder, IServiceProvider)"/>.</exception>
    public static ContextJobs Jobs(this DbContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new ContextJobs(((IInfrastructure<IServiceProvider>)context).Instance.GetService<Outbox>()
            ?? throw new InvalidOperationException($"{context.GetType().Name} cannot enqueue jobs: add UseJobs to its options, for example "
                + $"services.AddDbContext<{context.GetType().Name}>((sp, o) => o.UseNpgsql(...).UseJobs(sp))."), context);
    }
}
