using System.Diagnostics;

namespace Jobs.Tests.Faults;

/// <summary>SIGTERM: what a deployment does to every worker, every day.</summary>
[Collection(ServersCollection.Name)]
public sealed class Shutdown(ServersFixture fixture, ITestOutputHelper output)
{
    private const int Slots = 10;

    [SignalsFact]
    public async Task Handlers_that_finish_in_the_grace_period_are_recorded_and_nothing_runs_twice()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        var workers = new[] { arena.StartWorker(Slots), arena.StartWorker(Slots) };
        await using (arena.Load.Start(perSecond: 300, n => new Work(n, Ms: 50)))
        {
            await Eventually.HoldsAsync("both work", () => workers.All(w => w.Started > 50));
            workers[0].Signal(Signals.Terminate);
            Assert.Equal(0, await workers[0].ExitAsync());
        }

        await TheTruth.AssertAsync(arena);
        Assert.Equal(0, await arena.CountAsync("jobs.history where failures > 0 or crashes > 0"));
    }

    [SignalsFact]
    public async Task Handlers_that_outlast_the_grace_period_are_cancelled_and_their_jobs_handed_back_unharmed()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        var worker = arena.StartWorker(Slots, more: ["--Hang=1", "--GraceSeconds=2"]);
        await arena.Load.EnqueueAsync(3 * Slots);
        await Eventually.HoldsAsync("its slots are full", () => worker.Started == Slots);
        var clock = Stopwatch.StartNew();
        worker.Signal(Signals.Terminate);
        Assert.Equal(0, await worker.ExitAsync());
        Assert.InRange(clock.Elapsed.TotalSeconds, 2, 30);
        await AssertUnharmedAsync(arena, 3 * Slots);
        arena.StartWorker(Slots);
        await TheTruth.AssertAsync(arena, taken: Slots);
    }

    [SignalsFact]
    public async Task The_second_signal_ends_the_grace_period_at_once()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        var worker = arena.StartWorker(Slots, more: ["--Hang=1", "--GraceSeconds=300"]);
        await arena.Load.EnqueueAsync(Slots);
        await Eventually.HoldsAsync("its slots are full", () => worker.Started == Slots);
        worker.Signal(Signals.Terminate);
        await Eventually.HoldsAsync("it is stopping", () => worker.Logged(1401));
        Assert.False(worker.HasExited);
        var clock = Stopwatch.StartNew();
        worker.Signal(Signals.Terminate);
        Assert.Equal(0, await worker.ExitAsync());
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 30);
        await AssertUnharmedAsync(arena, Slots);
        arena.StartWorker(Slots);
        await TheTruth.AssertAsync(arena, taken: Slots);
    }

    private static async Task AssertUnharmedAsync(Arena arena, int jobs) =>
        Assert.Equal(jobs, await arena.CountAsync("jobs.job where state = 'queued' and failures = 0 and crashes = 0 and session is null"));
}
