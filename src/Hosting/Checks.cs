using System.Globalization;
using Jobs.Coordination;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Jobs.Hosting;

/// <summary>Whether this process can do its part: what its roles say, all asked at once.</summary>
internal sealed class ReadyCheck(IEnumerable<Probe> probes) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var answers = await Task.WhenAll(probes.DistinctBy(p => p.Name).Select(async p => (p.Name, Fault: await p.Fault(cancellationToken))));
        var data = answers.ToDictionary(a => a.Name, a => (object)(a.Fault ?? "ok"));
        var faults = answers.Select(a => a.Fault).OfType<string>().ToList();
        return faults.Count == 0 ? HealthCheckResult.Healthy(data: data) : HealthCheckResult.Unhealthy(string.Join(' ', faults), data: data);
    }
}

/// <summary>Whether all loops of the platform in this process go on. A server that is away stops none of them.</summary>
internal sealed class LiveCheck(Pulses pulses) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var stuck = pulses.Stuck().ToDictionary(s => s.Name, s => (object)string.Create(CultureInfo.InvariantCulture, $"has been at the same piece for {s.Since.TotalSeconds:0} s"));
        return Task.FromResult(stuck.Count == 0 ? HealthCheckResult.Healthy()
            : HealthCheckResult.Unhealthy($"Stuck: {string.Join(", ", stuck.Keys)}. A restart mends it; its jobs are run elsewhere meanwhile.", data: stuck));
    }
}
