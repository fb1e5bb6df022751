using Microsoft.Extensions.DependencyInjection;

namespace Jobs;

/// <summary>What <c>AddJobs</c> returns: the place to add a worker and a scheduler to the same process.</summary>
public sealed class JobsBuilder
{
    internal JobsBuilder(IServiceCollection services) => Services = services;

    /// <summary>The app's services.</summary>
    public IServiceCollection Services { get; }
}
