using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Engine;

/// <summary>Workers that operators send away.</summary>
public sealed class DrainTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Drained_worker_finishes_what_it_runs_gives_back_its_tickets_and_stops_its_host()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var host = await app.WorkerAsync(gate.RunAsync, concurrency: 1, more: w => w.ShutdownGrace = TimeSpan.Zero, options: o => o.SessionTtl = TimeSpan.FromMinutes(10));
        var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 4).Select(n => new Work(n)));
        var running = (await gate.Begun).Id;
        var session = Assert.Single(await app.Operator.SessionsAsync());
        Assert.Null(session.Draining);

        await app.Operator.DrainAsync(session.Id, new() { By = "ann", Reason = "new kernel" });
        await app.Operator.DrainAsync(session.Id, new() { By = "bob" }); // the first order stands
        var draining = Assert.Single(await app.Operator.SessionsAsync()).Draining;
        Assert.Equal(("ann", "new kernel"), (draining?.By, draining?.Reason));
        await app.WaitForTicketsAsync("default", 3);
        await app.LoggedAsync(1442);
        Assert.False(stopping.IsCancellationRequested);
        Assert.Equal(JobState.Running, (await app.GetAsync(running)).State); // no matter how long it takes

        gate.Open();
        await app.SeeAsync(() => stopping.IsCancellationRequested, "the host is stopping");
        await app.StopAsync(host);
        Assert.Equal((JobState.Succeeded, 1), ((await app.GetAsync(running)).State, (await app.GetAsync(running)).Attempt));
        Assert.Empty(await app.Operator.SessionsAsync());
        await app.WorkerAsync(Runs.Done);
        await app.AllEndedAsync(4);
        Assert.Equal(4, app.Runs.Count);
    }

    [Fact]
    public async Task Draining_worker_that_is_stopped_obeys_its_grace_period()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var host = await app.WorkerAsync(gate.RunAsync, more: w => w.ShutdownGrace = TimeSpan.Zero);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        await app.Operator.DrainAsync(Assert.Single(await app.Operator.SessionsAsync()).Id);
        await app.LoggedAsync(1442);
        await app.StopAsync(host);
        await gate.Cancelled;
        Assert.Equal((JobState.Queued, 0), ((await app.GetAsync(id)).State, (await app.GetAsync(id)).Failures));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Idle_worker_leaves_at_once_and_so_does_one_that_hears_no_signals()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.WorkerAsync(Runs.Done, options: o => (o.AdvisoryLocks, o.SessionTtl) = (false, TimeSpan.FromMinutes(10)));
        await app.Operator.DrainAsync(Assert.Single(await app.Operator.SessionsAsync()).Id);
        await app.SeeAsync(() => host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested, "the host is stopping");
    }

    [Fact]
    public async Task Process_that_runs_no_jobs_cannot_be_drained()
    {
        await using var app = await TestApp.CreateAsync();
        await app.ProducerAsync();
        foreach (var id in new[] { Assert.Single(await app.Operator.SessionsAsync()).Id, Guid.NewGuid() })
        {
            var error = await Assert.ThrowsAsync<JobsException>(() => app.Operator.DrainAsync(id));
            Assert.Contains($"There is no worker with the session {id}", error.Message, StringComparison.Ordinal);
        }
    }
}
