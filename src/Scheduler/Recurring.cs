using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Recurring jobs in one scheduler process: the schedules that code defines, Quartz that fires, and in the leader the sweep over what was not recorded in time, whatever
/// the reason: a node that died with a trigger, a night in which clocks change, no Quartz at all.
/// </summary>
internal sealed class Recurring(
    SchedulerOptions options, IJobSchedules schedules, ScheduleStore store, Recorder recorder, Firing firing, Triggers triggers, ILogger<Recurring> log)
{
    private const int Batch = 100;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>A firing that has not been recorded for this long is not waited for.</summary>
    private static readonly TimeSpan Overdue = TimeSpan.FromSeconds(2);

    private int _defined;

    /// <summary>In every scheduler. Defines what code defines, then keeps Quartz running.</summary>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        for (; _defined < options.Recurrings.Count; _defined++)
        {
            await DefineAsync(options.Recurrings[_defined], ct);
        }

        return await firing.RunOnceAsync(ct);
    }

    private async Task DefineAsync(RecurringDefinition definition, CancellationToken ct)
    {
        try
        {
            if (await definition.AddAsync(schedules, ct))
            {
                log.ScheduleDefined(definition.Name, definition.When.ToString());
            }
        }
        catch (Exception e) when (!ct.IsCancellationRequested && !Transient.Is(e))
        {
            log.ScheduleNotDefined(definition.Name, e.Message); // the others are not to suffer for it
        }
    }

    /// <summary>In the leader.</summary>
    public async Task<TimeSpan> LeadOnceAsync(CancellationToken ct)
    {
        var overdue = await store.OverdueAsync(Overdue, Batch, ct);
        foreach (var name in overdue)
        {
            try
            {
                await recorder.RecordAsync(name, ct);
            }
            catch (Exception e) when (!ct.IsCancellationRequested && !Transient.Is(e))
            {
                log.ScheduleFailed(name, e);
            }
        }

        await triggers.RunOnceAsync(ct);
        return overdue.Count == Batch ? TimeSpan.Zero : Interval;
    }

    /// <summary>Quartz fires no more.</summary>
    public async Task StopAsync(CancellationToken ct)
    {
        try
        {
            await firing.StopAsync().WaitAsync(ct);
        }
        catch (Exception e)
        {
            log.QuartzFailed(1, e.Message); // the others take its triggers over once it has missed its check-in
        }
    }
}
