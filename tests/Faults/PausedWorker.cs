namespace Jobs.Tests.Faults;

/// <summary>SIGSTOP: a process that is alive, holds its locks and connections, and does nothing.</summary>
[Collection(ServersCollection.Name)]
public sealed class PausedWorker(ServersFixture fixture, ITestOutputHelper output)
{
    [SignalsFact]
    public async Task What_it_writes_after_its_lease_ran_out_changes_nothing_and_it_works_on_under_a_new_session()
    {
        const int Slots = 20;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output, ttlSeconds: 5);
        arena.StartScheduler();
        var sleeper = arena.StartWorker(Slots);
        await arena.Load.EnqueueAsync(Slots, n => new Work(n, Ms: 2000, Stubborn: n % 2 == 0));
        await Eventually.HoldsAsync("the sleeper runs all of them", () => sleeper.Started == Slots);
        var old = await arena.SessionOfAsync(sleeper);
        sleeper.Signal(Signals.Stop);
        Assert.Equal(0, await arena.CountAsync("jobs.history"));

        // While it sleeps: its jobs are run elsewhere, and so are those whose tickets the broker has pushed into its ears.
        var other = arena.StartWorker(Slots);
        await arena.Load.EnqueueAsync(100);
        await Eventually.HoldsAsync("all jobs have ended elsewhere", async () => await arena.CountAsync("jobs.history") == Slots + 100);
        var before = await HistoryAsync(arena);
        Assert.DoesNotContain(old.ToString(), before);

        sleeper.Signal(Signals.Continue);
        await Eventually.HoldsAsync("its late ends were refused", () => sleeper.Logged(1431));
        await Eventually.HoldsAsync("it has a new session", async () => await arena.SessionOfAsync(sleeper) is var s && s != default && s != old);
        Assert.Equal(before, await HistoryAsync(arena));

        other.Signal(Signals.Terminate);
        Assert.Equal(0, await other.ExitAsync());
        await arena.Load.EnqueueAsync(200);
        await TheTruth.AssertAsync(arena, taken: Slots);
        Assert.Equal(200, await arena.CountAsync("jobs.history where session = $1", await arena.SessionOfAsync(sleeper)));
    }

    private static async Task<string> HistoryAsync(Arena arena) => (await arena.AskAsync<string>("select json_agg(h order by h.id)::text from jobs.history h"))!;

    [SignalsFact]
    public async Task A_paused_leader_is_replaced_and_does_not_lead_when_it_wakes()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output, ttlSeconds: 5);
        var sleeper = arena.StartScheduler();
        await Eventually.HoldsAsync("it leads", () => LeadsAsync(arena, sleeper));
        var other = arena.StartScheduler();
        arena.StartWorker();
        sleeper.Signal(Signals.Stop);
        await arena.Load.EnqueueAsync(100, options: new EnqueueOptions { Delay = TimeSpan.FromSeconds(1) });
        await Eventually.HoldsAsync("the other leads", () => LeadsAsync(arena, other));
        sleeper.Signal(Signals.Continue);
        await Eventually.HoldsAsync("it knows", () => sleeper.Logged(1501));
        Assert.True(await LeadsAsync(arena, other));
        await TheTruth.AssertAsync(arena);
    }

    private static async Task<bool> LeadsAsync(Arena arena, Child scheduler) =>
        await arena.CountAsync("jobs.leader l join jobs.session s on s.id = l.session where s.process_id = $1", scheduler.Id) == 1;
}
