using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Runs the services of the scheduler: the rescuer in every scheduler process, so that a dead leader is noticed too, and the others in the one that leads.
/// </summary>
internal sealed class SchedulerService(
    Leadership leadership, Rescuer rescuer, Recurring recurring, LeaderServices leading, SchedulerTelemetry telemetry, Pulses pulses, TimeProvider time, ILogger<SchedulerService> log)
    : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await recurring.StopAsync(cancellationToken);
        try
        {
            await leadership.ResignAsync(cancellationToken);
        }
        catch (Exception e)
        {
            log.ServiceRetries("Resigning", 1, e.Message); // the lead runs out by itself
        }
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Detached.Run(() => Task.WhenAll(
        RepeatAsync("Rescuer", rescuer.RunOnceAsync, stoppingToken),
        RepeatAsync("Recurring jobs", recurring.RunOnceAsync, stoppingToken),
        LeadAsync(stoppingToken)));

    private async Task LeadAsync(CancellationToken stop)
    {
        CancellationTokenSource? term = null;
        Lead? lead = null;
        var services = Task.CompletedTask;
        await RepeatAsync("Leadership", async ct =>
        {
            var now = await leadership.TryAsync(ct);
            if (now != lead)
            {
                if (lead is not null)
                {
                    telemetry.Leads = false;
                    log.NotLeading(lead.Epoch);
                    await term!.CancelAsync();
                    await services;
                    leading.Ended();
                    term.Dispose();
                }

                if ((lead = now) is not null)
                {
                    telemetry.Leads = true;
                    log.Leading(lead.Epoch);
                    term = CancellationTokenSource.CreateLinkedTokenSource(stop);
                    services = ServeAsync(lead, term.Token);
                }
            }

            return Interval;
        }, stop);
        telemetry.Leads = false;
        await services;
        term?.Dispose();
    }

    private Task ServeAsync(Lead lead, CancellationToken ct) => Task.WhenAll(leading.Of(lead).Select(s => RepeatAsync(s.Name, s.Once, ct)));

    /// <summary>Runs a service again and again, each time after the delay it asks for; errors are logged, and what passes is tried again soon.</summary>
    private async Task RepeatAsync(string name, Func<CancellationToken, Task<TimeSpan>> once, CancellationToken ct)
    {
        var pulse = pulses.Add(name);
        for (var failures = 0; !ct.IsCancellationRequested;)
        {
            TimeSpan delay;
            pulse.Begin();
            try
            {
                delay = await once(ct);
                failures = 0;
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                pulse.Rest();
                return;
            }
            catch (Exception e)
            {
                telemetry.Failed(name);
                failures++;
                delay = Transient.Delay(failures);
                if (Transient.Is(e))
                {
                    log.ServiceRetries(name, failures, e.Message);
                }
                else
                {
                    log.ServiceFailed(name, failures, e);
                }
            }

            pulse.Rest();
            await Task.Delay(delay, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
