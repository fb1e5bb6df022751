namespace Jobs.Tests.Faults;

/// <summary>SIGSTOP: a process that is alive, holds its locks and connections, and does nothing.</summary>
[Collection(ServersCollection.Name)]
public sealed class PausedWorker(ServersFixture fixture, ITestOutputHelper output)
{
    [SignalsFact]
    public async Task What_it_writes_after_its_lease_ran_out_changes_nothing_and_it_works_on_under_a_new_session()
    {
        const int Slots = 10; // in each of two queues
        var held = new EnqueueOptions { Queue = "held" };
        await using var arena = await Arena.OpenAsync(fixture.Servers, output, ttlSeconds: 5);
        arena.StartScheduler();
        var sleeper = arena.StartWorker(Slots, more: "--Queues=default,held");
        await arena.Load.EnqueueAsync(Slots, n => new Work(n, Ms: 2000, Stubborn: n % 2 == 0));
        await arena.Load.EnqueueAsync(Slots, n => new Work(n, Ms: 2000, Stubborn: true), held);
        await Eventually.HoldsAsync("the sleeper runs all of them", () => sleeper.Started == 2 * Slots);
        var old = await arena.SessionOfAsync(sleeper);
        sleeper.Signal(Signals.Stop);
        Assert.Equal(0, await arena.CountAsync("jobs.history"));

        // While it sleeps, the jobs of one queue end elsewhere, and so do those whose tickets the broker has pushed into its ears; of the other, some still run when it wakes.
        var other = arena.StartWorker(Slots);
        var holder = arena.StartWorker(Slots, more: ["--Queues=held", "--Hang=1", "--GraceSeconds=0"]);
        await arena.Load.EnqueueAsync(100);
        await Eventually.HoldsAsync("the jobs of the first queue have ended elsewhere", async () => await arena.CountAsync("jobs.history") == Slots + 100);
        await arena.RunningAsync(holder, 1);
        var ids = (await arena.AskAsync<Guid[]>("select array(select id from jobs.history union select id from jobs.job where state = 'running')"))!;
        var before = await RowsAsync(arena, ids);
        Assert.Equal(0, await arena.CountAsync("(select session from jobs.history union all select session from jobs.job) s where session = $1", old)); // their events name it: it died under them

        sleeper.Signal(Signals.Continue);
        await Eventually.HoldsAsync("it has a new session", async () => await arena.SessionOfAsync(sleeper) is var s && s != default && s != old);
        await Eventually.HoldsAsync("its late ends were refused", () => sleeper.Refused >= 1.5 * Slots); // all but those that heeded the cancellation
        Assert.Equal(before, await RowsAsync(arena, ids));

        foreach (var worker in new[] { other, holder })
        {
            worker.Signal(Signals.Terminate);
            Assert.Equal(0, await worker.ExitAsync());
        }

        await arena.Load.EnqueueAsync(200);
        await TheTruth.AssertAsync(arena, taken: (2 * Slots) + holder.Started);
        Assert.True(await arena.CountAsync("jobs.history where session = $1", await arena.SessionOfAsync(sleeper)) >= 200);
    }

    private static async Task<string> RowsAsync(Arena arena, Guid[] ids) => (await arena.AskAsync<string>("""
        select (select json_agg(h order by h.id)::text from jobs.history h where h.id = any($1)) || (select json_agg(j order by j.id)::text from jobs.job j where j.id = any($1))
        """, ids))!;

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
