using Jobs.Postgres;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Jobs.Coordination;

/// <summary>
/// Writes the limits that this process declares when it starts, before it runs jobs; and what a reload of the configuration changes in them, at once. What an operator has set stays. What
/// is not declared any more stays too, because other processes may declare it still.
/// </summary>
internal sealed class LimitDeclarations(DeclaredLimits declared, LimitStore store, IOptions<JobsOptions> options, ILogger<LimitDeclarations> log) : IHostedService, IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private List<(JobLimit Limit, string Origin)> _written = [];
    private Task _reloading = Task.CompletedTask;
    private IDisposable? _listening;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _written = declared.Read().Limits; // their faults have stopped the start already
        await WriteAsync(_written, cancellationToken);
        _listening = declared.Configuration is { } configuration ? ChangeToken.OnChange(configuration.GetReloadToken, Reload) : null;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _listening?.Dispose();
        await _stop.CancelAsync();
        await _reloading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _listening?.Dispose();
        _stop.Dispose();
    }

    private async Task WriteAsync(IEnumerable<(JobLimit Limit, string Origin)> limits, CancellationToken ct)
    {
        foreach (var (limit, origin) in limits.OrderBy(l => l.Limit.Name, StringComparer.Ordinal))
        {
            switch (await Transient.RetryAsync(c => store.DeclareAsync(limit, origin, options.Value.AppName, c), "declare a limit", log, ct))
            {
                case "set":
                    log.LimitDeclared(limit.Name, origin);
                    break;
                case "operator":
                    log.LimitOverridden(limit.Name, origin);
                    break;
            }
        }
    }

    /// <summary>One after another; each looks at what is there by then.</summary>
    private void Reload()
    {
        lock (_lock)
        {
            var before = _reloading;
            _reloading = Detached.Run(() => ReloadAsync(before));
        }
    }

    private async Task ReloadAsync(Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            var (limits, faults) = declared.Read();
            if (faults.Count > 0)
            {
                log.LimitsNotReloaded(string.Join(" ", faults));
                return;
            }

            await WriteAsync(limits.Where(l => l.Origin == "configuration" && !_written.Contains(l)), _stop.Token); // not what another process has changed since
            _written = limits;
        }
        catch (Exception e) when (!_stop.IsCancellationRequested)
        {
            log.LimitsNotReloaded(e.Message);
        }
    }
}
