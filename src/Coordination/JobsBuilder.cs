using Jobs.Coordination;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs;

/// <summary>What <c>AddJobs</c> returns: the place to add a worker and a scheduler to the same process.</summary>
public sealed class JobsBuilder
{
    internal JobsBuilder(IServiceCollection services) => Services = services;

    /// <summary>The app's services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>
    /// Declares a limit: it is set when this process starts, whatever its roles, unless it is there already as declared. What an operator sets at run time under its name wins over it until they remove it
    /// (<c>jobs limits remove NAME</c>). The configuration section <c>Jobs:Limits:NAME</c> replaces it as a whole. Of processes that declare different limits under one name, the one that started last wins.
    /// One that is taken out of the code stays until it is removed, because older processes of a rolling deployment still have it. Bad values are listed with the other faults when the host starts.
    /// </summary>
    public JobsBuilder AddLimit(JobLimit limit)
    {
        ArgumentNullException.ThrowIfNull(limit);
        Services.AddSingleton(new CodeLimit(limit));
        return this;
    }
}
