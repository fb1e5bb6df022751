namespace Jobs.Tests.Faults;

/// <summary>Recurring jobs while schedulers are killed: no occurrence is missed, none is enqueued twice.</summary>
[Collection(ServersCollection.Name)]
public sealed class Recurrences(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Schedules = 50;
    private const int Schedulers = 3;
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task Killed_schedulers_miss_no_occurrence_and_double_none()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartWorker(concurrency: 20);
        var schedulers = Enumerable.Range(0, Schedulers).Select(_ => arena.StartScheduler()).ToList();
        for (var i = 0; i < Schedules; i++)
        {
            await arena.Schedules.AddAsync($"every-second-{i}", i % 2 == 0 ? "* * * * * ?" : TimeSpan.FromSeconds(1), new Work(i, Ms: 1));
        }

        await RecordedAsync(arena, "all are recorded");
        for (var kills = 0; kills < 9 * Tally.Scale; kills++)
        {
            await Task.Delay(Between * (0.5 + arena.Random.NextDouble()));
            var victim = schedulers[arena.Random.Next(Schedulers)];
            await arena.KillAsync(victim);
            schedulers.Remove(victim);
            schedulers.Add(arena.StartScheduler());
        }

        await RecordedAsync(arena, "all are recorded after the last kill");
        for (var i = 0; i < Schedules; i++)
        {
            await arena.Schedules.PauseAsync($"every-second-{i}");
        }

        await Eventually.HoldsAsync("all are recorded up to their pause", async () => await arena.CountAsync("jobs.schedule where recorded_to < paused_at") == 0);
        await Eventually.HoldsAsync("every job has ended", async () => await arena.CountAsync("jobs.job") == 0);

        // What should be there is counted off from the clock: every whole second from when the schedule was made to when it was paused.
        const string Expected = """
            (select s.name, t.at from jobs.schedule s, lateral generate_series(date_trunc('second', s.created_at) + interval '1 second', s.paused_at, interval '1 second') t (at)) e
            """;
        var occurrences = await arena.CountAsync(Expected);
        Assert.True(occurrences > 20 * Schedules, $"{occurrences} occurrences");
        Assert.Equal(0, await arena.CountAsync($"{Expected} where not exists (select from jobs.occurrence o where o.schedule = e.name and o.at = e.at and o.job is not null)"));
        Assert.Equal(occurrences, await arena.CountAsync("jobs.occurrence"));
        Assert.Equal(0, await arena.CountAsync("jobs.occurrence o full join jobs.history h on h.id = o.job where o.job is null or h.id is null or h.state <> 'succeeded'"));
        Assert.Equal(occurrences, await arena.CountAsync("jobs.history"));
        var ran = LineFile.Read(arena.Children.Single(c => c.Role == "worker").Runs).Select(l => l.Split(' ')[0]).ToList();
        Assert.Equal(occurrences, ran.Count);
        Assert.Equal(occurrences, ran.Distinct().Count());
        Tally.Add(occurrences, 0);
        Tally.Notes.Add(await arena.AskAsync<string>("""
            select format('%s occurrences, recorded late by p50 %s s, p99 %s s, at most %s s; %s %% within a second', count(*),
              round(percentile_cont(0.5) within group (order by late)::numeric, 2), round(percentile_cont(0.99) within group (order by late)::numeric, 2), round(max(late)::numeric, 2),
              round(100.0 * count(*) filter (where late < 1) / count(*), 1))
            from (select extract(epoch from recorded_at - at) as late from jobs.occurrence) o
            """) ?? "");
    }

    /// <summary>Every schedule is recorded up to a time after this call.</summary>
    private static async Task RecordedAsync(Arena arena, string what)
    {
        var now = await arena.AskAsync<DateTime>("select now()");
        await Eventually.HoldsAsync(what, async () => await arena.CountAsync("jobs.schedule where recorded_to > $1", now) == Schedules);
    }
}
