using Jobs.Coordination.Recurring;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;
using Quartz;

namespace Jobs.Scheduler;

/// <summary>
/// Gives Quartz one trigger for each schedule that is not paused, and takes away those of others. A trigger's key holds the schedule's name and a print of what makes it fire,
/// so comparing keys is enough. Quartz has its own idea of the nights when clocks change; where it differs from the named rules, the sweep takes the look.
/// </summary>
internal sealed class Triggers(ScheduleStore store, Firing firing, ILogger<Triggers> log)
{
    private const string Group = "jobs";
    private const int Page = 1000;

    private (IScheduler Quartz, long Count, decimal Version)? _seen;

    public static string ScheduleOf(TriggerKey key) => key.Name[..key.Name.LastIndexOf('|')];

    /// <summary>A cheap look whether schedules have changed, and the work if they have.</summary>
    public async Task RunOnceAsync(CancellationToken ct)
    {
        if (firing.Quartz is not { } quartz)
        {
            return;
        }

        var (count, version) = await store.VersionAsync(ct);
        if (_seen == (quartz, count, version))
        {
            return;
        }

        var wanted = (await store.ListAsync(null, ct)).Where(s => !s.IsPaused).Select(Of).OfType<ITrigger>().ToDictionary(t => t.Key);
        var present = await PresentAsync(quartz, ct);
        var (missing, spare) = (wanted.Values.Where(t => !present.Contains(t.Key)).ToList(), present.Where(k => !wanted.ContainsKey(k)).ToList());
        if (spare.Count > 0)
        {
            await quartz.UnscheduleJobs(spare, ct);
        }

        if (missing.Count > 0)
        {
            var look = JobBuilder.Create<Look>().WithIdentity(Look.Key).StoreDurably().Build();
            await quartz.ScheduleJob(look, missing, new ScheduleJobOptions { Replace = true }, ct);
        }

        if (missing.Count + spare.Count > 0)
        {
            log.TriggersChanged(missing.Count, spare.Count);
        }

        _seen = (quartz, count, version);
    }

    private static async Task<HashSet<TriggerKey>> PresentAsync(IScheduler quartz, CancellationToken ct)
    {
        var keys = new HashSet<TriggerKey>();
        IReadOnlyList<TriggerHeader> page;
        do
        {
            page = (await quartz.QueryTriggers(new TriggerQuery { Job = Look.Key, Skip = keys.Count, Take = Page }, ct)).Items;
            keys.UnionWith(page.Select(t => t.Key));
        }
        while (page.Count == Page);
        return keys;
    }

    /// <summary>Null: it will not fire any more.</summary>
    private static ITrigger? Of(ScheduleRow s)
    {
        var start = s.StartsAt is { } at && at > s.Now ? at : s.Now;
        if (Occurrences.Of(s).Next(start.AddTicks(-1)) is not { } first)
        {
            return null;
        }

        var print = Print($"{s.Cron}\n{s.EverySeconds}\n{s.Zone}\n{s.StartsAt:O}\n{s.EndsAt:O}\n{(s.EverySeconds is null ? "" : $"{s.CreatedAt:O}")}");
        var trigger = TriggerBuilder.Create().WithIdentity($"{s.Name}|{print}", Group).ForJob(Look.Key).EndAt(s.EndsAt);
        return s.Cron is { } cron
            ? trigger.StartAt(start).WithCronSchedule(cron, c => c.InTimeZone(TimeZoneInfo.FindSystemTimeZoneById(s.Zone)).WithMisfireInstruction(CronTriggerMisfireInstruction.DoNothing)).Build()
            : trigger.StartAt(first).WithSimpleSchedule(i => i.WithInterval(TimeSpan.FromSeconds(s.EverySeconds!.Value)).RepeatForever()
                .WithMisfireInstruction(SimpleTriggerMisfireInstruction.NextWithRemainingCount)).Build();
    }

    private static string Print(string text) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)))[..12];
}
