using System.Collections.Concurrent;
using Jobs.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs.Tests.Engine;

/// <summary>How many handlers run at once: numbers that change while they run, and slots that queues share.</summary>
public sealed class SlotsTests
{
    private readonly Doors _doors = new();

    [Fact]
    public async Task Lowered_queue_lets_its_jobs_go_on_and_starts_none_until_fewer_run_and_raised_it_starts_more()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(_doors.RunAsync, concurrency: 4, options: SlowHeart);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 12).Select(n => new Work(n)));
        await _doors.BegunAsync(app, 4);
        await app.WaitForTicketsAsync("default", 0);

        await app.Operator.SetSlotsAsync("default", 1, act: new() { By = "ann", Reason = "slow disk" });
        await app.LoggedAsync(1460);
        await app.WaitForTicketsAsync("default", 6); // two are fetched ahead now
        _doors.Most = 0;
        var running = _doors.Running;
        Assert.Equal(4, running.Count); // none was cancelled
        foreach (var number in running)
        {
            _doors.Open(number);
        }

        for (var begun = 5; begun <= 8; begun++)
        {
            await _doors.BegunAsync(app, begun);
            Assert.Equal(1, _doors.Most = Math.Max(_doors.Most, _doors.Running.Count));
            if (begun < 8)
            {
                _doors.Open(Assert.Single(_doors.Running));
            }
        }

        await app.Operator.SetSlotsAsync("default", 3);
        await _doors.BegunAsync(app, 10);
        Assert.Equal(3, _doors.Running.Count);
        _doors.OpenAll();
        await app.AllEndedAsync(12);
        Assert.InRange(_doors.Most, 1, 3);
        Assert.Equal(12, app.Runs.Count);
    }

    [Fact]
    public async Task Setting_reaches_a_running_worker_and_a_later_one_and_is_gone_when_it_is_cleared()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(_doors.RunAsync, concurrency: 2, options: SlowHeart);
        await app.Operator.SetSlotsAsync("default", 0, act: new() { By = "ann", Reason = "night" });
        await app.LoggedAsync(1460);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 3).Select(n => new Work(n)));
        await app.WaitForTicketsAsync("default", 3);

        await app.WorkerAsync(_doors.RunAsync, concurrency: 2, options: o => o.SessionTtl = TimeSpan.FromSeconds(5));
        await app.SeeAsync(() => app.Log.Of(1460).Count() == 2, "the later one has heard of it");
        Assert.Equal(0u, await app.OnBrokerAsync(c => c.ConsumerCountAsync(app.QueueName("default"))));
        Assert.Equal((3, 0), (await app.DepthAsync("default") is { } n ? (int)n : -1, app.Runs.Count));
        var told = (await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s[^1].Slots is [{ Slots: 0 }], "the session says so")).Last().Slots[0];
        Assert.Equal(("default", 0, 0, null, "ann", "night"), (told.Queue, told.Slots, told.Busy, told.Pool, told.Setting?.By, told.Setting?.Reason));
        var stored = Assert.Single(await app.Operator.StoredSlotsAsync());
        Assert.Equal(("default", false, null, 0, "ann"), (stored.Target, stored.IsPool, stored.Worker, stored.Slots, stored.Set.By));

        Assert.True(await app.Operator.ClearSlotsAsync("default"));
        _doors.OpenAll();
        await app.AllEndedAsync(3);
        Assert.False(await app.Operator.ClearSlotsAsync("default"));
        Assert.Empty(await app.Operator.StoredSlotsAsync());
    }

    private static void SlowHeart(JobsOptions options) => options.SessionTtl = TimeSpan.FromMinutes(10); // only signals are heard in time
}

/// <summary>Jobs that run until each is let go by its number.</summary>
internal sealed class Doors
{
    private readonly ConcurrentDictionary<int, TaskCompletionSource> _doors = [];
    private readonly ConcurrentDictionary<int, bool> _running = [];
    private readonly ConcurrentQueue<(string Queue, int Number)> _begun = [];
    private volatile bool _open;
    private int _most;

    /// <summary>The most that ran at once since it was set.</summary>
    public int Most
    {
        get => Volatile.Read(ref _most);
        set => Volatile.Write(ref _most, value);
    }

    public IReadOnlyList<int> Running => [.. _running.Keys.Order()];

    /// <summary>In order.</summary>
    public IReadOnlyList<(string Queue, int Number)> Begun => [.. _begun];

    public Task BegunAsync(TestApp app, int count) => app.SeeAsync(() => _begun.Count >= count, $"{count} have begun");

    public void Open(int number) => Door(number).TrySetResult();

    public void OpenAll()
    {
        _open = true;
        foreach (var door in _doors.Values)
        {
            door.TrySetResult();
        }
    }

    public async Task<JobOutcome> RunAsync(Work job, JobContext context, CancellationToken ct)
    {
        _running[job.Number] = true;
        lock (_doors)
        {
            _most = Math.Max(_most, _running.Count);
            _begun.Enqueue((context.Queue.Value, job.Number));
        }

        try
        {
            await (_open ? Task.CompletedTask : Door(job.Number).Task.WaitAsync(ct));
            return JobOutcome.Succeeded;
        }
        finally
        {
            _running.TryRemove(job.Number, out _);
        }
    }

    private TaskCompletionSource Door(int number) => _doors.GetOrAdd(number, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
}
