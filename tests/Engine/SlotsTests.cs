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
    private IHost? _host;

    [Trait("Category", "Slow")]
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

    [Trait("Category", "Slow")]
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

    [Trait("Category", "Slow")]
    [Fact]
    public async Task The_most_particular_setting_is_in_force_and_one_that_names_another_worker_is_not()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 2, options: o => o.SessionTtl = TimeSpan.FromSeconds(5));
        var session = Assert.Single(await app.Operator.SessionsAsync());
        await app.Operator.SetSlotsAsync("default", 3);
        await app.Operator.SetSlotsAsync("default", 9, "elsewhere");
        await app.Operator.SetSlotsAsync("default", 4, Environment.MachineName);
        await SeeSlotsAsync(app, 4);
        await app.Operator.SetSlotsAsync("default", 6, session.Id.ToString("N").ToUpperInvariant());
        await app.Operator.SetSlotsAsync("default", 5, session.Host);
        await SeeSlotsAsync(app, 6);
        Assert.True(await app.Operator.ClearSlotsAsync("default", session.Id.ToString()));
        await SeeSlotsAsync(app, 5);
        Assert.True(await app.Operator.ClearSlotsAsync("default", session.Host));
        await SeeSlotsAsync(app, 4);
        Assert.True(await app.Operator.ClearSlotsAsync("default", Environment.MachineName));
        await SeeSlotsAsync(app, 3);
        Assert.True(await app.Operator.ClearSlotsAsync("default"));
        var told = await SeeSlotsAsync(app, 2);
        Assert.Null(told.Setting);
        await app.Operator.SetSlotsAsync("default", 0);
        await SeeSlotsAsync(app, 0);
        var reason = (await app.Operator.ExplainAsync(await app.Jobs.EnqueueAsync(new Work())))[0];
        Assert.Equal("no-worker", reason.Code);
        Assert.Contains("1 live worker of queue \"default\" has 0 slots for it", reason.Text, StringComparison.Ordinal);
        await app.Operator.ClearSlotsAsync("default");
        Assert.Equal(["elsewhere"], (await app.Operator.StoredSlotsAsync()).Select(s => s.Worker));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Queues_of_a_strict_pool_run_in_order_as_long_as_the_first_has_tickets()
    {
        await using var app = await PoolAsync(w => w.Pool("main", 4, "high", "low"));
        await FillAsync(app, ("high", 6), ("low", 4));
        Assert.Equal([.. Enumerable.Repeat("high", 6), .. Enumerable.Repeat("low", 4)], await OneByOneAsync(app, 10));
        Assert.Equal(4, _doors.Most);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Queue_that_is_behind_fetches_few_tickets()
    {
        await using var app = await PoolAsync(w => w.Pool("main", 12, "high", "low"), slots: 12);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(100, 50).Select(n => new Work(n)), _ => new() { Queue = "low" });
        await app.WaitForTicketsAsync("low", 42); // 8 fetched, where a queue of its own has 24
        _doors.OpenAll();
        await app.AllEndedAsync(62);
    }

    [Fact]
    public async Task Queues_of_a_weighted_pool_are_started_in_proportion_and_what_one_leaves_the_other_has()
    {
        await using var app = await PoolAsync(w => w.Pool("main", 4, ("low", 1), ("high", 3)));
        await FillAsync(app, ("high", 6), ("low", 2));
        var begun = await OneByOneAsync(app, 8);
        for (var n = 1; n <= begun.Count; n++)
        {
            Assert.InRange(begun.Take(n).Count(q => q == "high"), (0.75 * n) - 1, (0.75 * n) + 1);
        }

        await app.Jobs.EnqueueManyAsync(Enumerable.Range(200, 4).Select(n => new Work(n)), _ => new() { Queue = "low" }); // high has nothing
        _doors.OpenAll();
        await app.AllEndedAsync(16);
        Assert.Equal(4, _doors.Most);
    }

    [Fact]
    public async Task Queue_has_its_own_cap_in_a_pool_and_leaves_the_rest_to_the_others()
    {
        await using var app = await PoolAsync(w => w.Pool("main", 4, "high", "low").Queue("high", 1), first: "low");
        await FillAsync(app, ("high", 2), ("low", 4));
        for (var number = 0; number < 4; number++)
        {
            _doors.Open(number);
        }

        await _doors.BegunAsync(app, 8);
        Assert.Equal(["high", "low", "low", "low"], _doors.Begun.Skip(4).Select(b => b.Queue).Order());
        _doors.OpenAll();
        await app.AllEndedAsync(10);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Pool_is_resized_by_a_setting_and_hands_back_what_runs_when_its_worker_stops()
    {
        await using var app = await PoolAsync(w => w.Pool("main", 4, "high", "low"));
        await app.Operator.SetPoolSlotsAsync("main", 6, act: new() { By = "ann" });
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(100, 5).Select(n => new Work(n)), _ => new() { Queue = "low" });
        await _doors.BegunAsync(app, 6);
        await app.SeeAsync(() => _doors.Running.Count == 6, "six run");
        var session = Assert.Single(await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s is [{ Pools: [{ Busy: 6 }] }], "the session says so"));
        Assert.Equal(new WorkerPool("main", 6, 6, PoolOrder.Strict, session.Pools[0].Setting), session.Pools[0]);
        Assert.Equal("ann", session.Pools[0].Setting?.By);
        Assert.Equal([("high", 6, 4, "main"), ("low", 6, 2, "main")], session.Slots.Select(s => (s.Queue, s.Slots, s.Busy, s.Pool)));
        await app.StopAsync(_host!);
        Assert.Equal(9, await app.ScalarAsync<long>("select count(*) from jobs.job where state = 'queued'"));
        await app.WaitForTicketsAsync("high", 4);
        await app.WaitForTicketsAsync("low", 5);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Configuration_that_is_reloaded_counts_at_once_over_code_and_below_settings_and_a_wrong_one_changes_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        Action<JobsBuilder> roles = b => b.AddWorker(w => w.Queue("default", 2).Pool("main", 3, "high", "low").HandleOutcome<Work, WorkHandler>());
        var host = await app.StartAsync(app.Build(roles, o => o.SessionTtl = TimeSpan.FromSeconds(5), s => s.AddSingleton<Run>(_doors.RunAsync),
            new() { ["Jobs:Worker:Queues:default:Concurrency"] = "5", ["Jobs:Worker:Pools:main:Slots"] = "7" }));
        var configuration = (IConfigurationRoot)host.Services.GetRequiredService<IConfiguration>();
        await SeeSlotsAsync(app, 5);
        Assert.Equal([("high", 7), ("low", 7)], (await app.Operator.SessionsAsync())[0].Slots.Skip(1).Select(s => (s.Queue, s.Slots)));

        configuration["Jobs:Worker:Queues:default:Concurrency"] = "6";
        configuration["Jobs:Worker:Pools:main:Weights:low"] = "2";
        configuration["Jobs:Worker:Pools:main:Weights:high"] = "1";
        configuration.Reload();
        await SeeSlotsAsync(app, 6);
        await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s[0].Pools is [{ Slots: 7, Order: PoolOrder.Weighted }], "the pool is weighted");

        configuration["Jobs:Worker:Queues:default:Concurrency"] = "-1";
        configuration.Reload();
        await app.LoggedAsync(1461);
        Assert.Contains("-1 slots for queue \"default\" are not allowed; use 0", app.Log.Of(1461).First().Text, StringComparison.Ordinal);
        await app.Operator.SetSlotsAsync("default", 1);
        await SeeSlotsAsync(app, 1);
        configuration["Jobs:Worker:Queues:default:Concurrency"] = "9";
        configuration.Reload();
        await app.Operator.ClearSlotsAsync("default");
        await SeeSlotsAsync(app, 9);
    }

    [Fact]
    public async Task Queue_that_gives_up_its_turn_holds_up_nobody_and_one_without_a_turn_is_starved()
    {
        var pool = new Pool("main", 1);
        var (first, last) = (new Slots("first", 1, pool) { Buffered = () => 5 }, new Slots("last", 1, pool) { Buffered = () => 5 });
        pool.Order(false, [("first", 1), ("last", 1)]);
        Assert.Equal(1, await first.TakeAsync(500, default));
        var waits = last.TakeAsync(500, default).AsTask();
        var looked = -1L;
        Assert.False(last.IsStarved(ref looked));
        Assert.True(last.IsStarved(ref looked));

        using var leave = new CancellationTokenSource();
        first.Drawn();
        first.Resize(2);
        var again = first.TakeAsync(500, leave.Token).AsTask();
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => again);
        Assert.False(waits.IsCompleted);
        first.Release();
        Assert.Equal(1, await waits.InTimeAsync());
        Assert.False(last.IsStarved(ref looked));
        Assert.Equal((0, 1, 1), (first.Taken, last.Taken, pool.Taken));
    }

    [Fact]
    public async Task Faults_stop_the_start_all_of_them_at_once()
    {
        await using var app = await TestApp.CreateAsync();
        using var host = app.Build(b => b.AddWorker(w => w.HandleOutcome<Work, WorkHandler>().Pool("a", 5, "mail", "pdf", "pdf").Pool("b", -1, ("mail", 3), ("x", 0)).Pool("b", 2, "y").Pool("c c", 3, Array.Empty<QueueName>())),
            services: s => s.AddSingleton(Runs.Done), settings: new() { ["Jobs:Worker:Pools:a:Order"] = "Fair", ["Jobs:Worker:Queues:z:Concurrency"] = "10001" });
        var faults = (await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync())).Failures.ToList();
        foreach (var expected in new[]
        {
            "Jobs:Worker:Pools:a:Order is \"Fair\"; it must be one of Strict, Weighted",
            "10001 slots for queue \"z\" are not allowed; use 0 (nothing is taken) to 10000",
            "queue \"mail\" is in the pools \"a\" and \"b\"; a queue can be in one only",
            "queue \"pdf\" is twice in pool \"a\"; name it once",
            "-1 slots for pool \"b\" are not allowed; use 0",
            "the weight 0 of queue \"x\" in pool \"b\" is not allowed; use 1 to 1000",
            "the pool \"b\" is declared twice",
            "The pool name \"c c\" is not allowed",
            "pool \"c c\" has no queue; name those that share it",
        })
        {
            Assert.Contains(faults, f => f.Contains(expected, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Values_that_make_no_sense_are_refused_with_the_remedy()
    {
        await using var app = await TestApp.CreateAsync();
        var range = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => app.Operator.SetSlotsAsync("default", 10_001));
        Assert.Contains("10001 slots for queue \"default\" are not allowed; use 0 (nothing is taken) to 10000", range.Message, StringComparison.Ordinal);
        Assert.Contains("use a session's id, MACHINE/APP or MACHINE", (await Assert.ThrowsAsync<ArgumentException>(() => app.Operator.SetSlotsAsync("default", 1, " "))).Message, StringComparison.Ordinal);
        Assert.Contains("The pool name \"a b\" is not allowed", (await Assert.ThrowsAsync<ArgumentException>(() => app.Operator.SetPoolSlotsAsync("a b", 1))).Message, StringComparison.Ordinal);
        var nobody = await Assert.ThrowsAsync<JobsException>(() => app.Operator.SetSlotsAsync("default", 1, Guid.NewGuid().ToString()));
        Assert.Contains("There is no worker with the session", nobody.Message, StringComparison.Ordinal);
        Assert.Empty(await app.Operator.StoredSlotsAsync());
    }

    /// <summary>A worker on a pool whose slots are all taken by jobs of one of its queues: 0 to 3, or more.</summary>
    private async Task<TestApp> PoolAsync(Action<WorkerOptions> pool, string first = "high", int slots = 4)
    {
        var app = await TestApp.CreateAsync();
        _host = await app.WorkerAsync(_doors.RunAsync, more: w =>
        {
            pool(w);
            w.ShutdownGrace = TimeSpan.Zero;
        }, options: o => o.SessionTtl = TimeSpan.FromSeconds(5));
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, slots).Select(n => new Work(n)), _ => new() { Queue = first });
        await _doors.BegunAsync(app, slots);
        return app;
    }

    /// <summary>All of these are in the worker's buffers when this returns.</summary>
    private async Task FillAsync(TestApp app, params (string Queue, int Count)[] queues)
    {
        using var measured = new Measured(_host!);
        var number = 100;
        foreach (var (queue, count) in queues)
        {
            await app.Jobs.EnqueueManyAsync(Enumerable.Range(number, count).Select(n => new Work(n)), _ => new() { Queue = queue });
            number += count;
            await measured.SeeAsync("jobs.tickets.buffered", $"queue={queue}", count);
        }
    }

    /// <summary>Lets one job after the other go on, so that one slot is free each time, and three stay taken. In which order their queues were started.</summary>
    private async Task<IReadOnlyList<string>> OneByOneAsync(TestApp app, int count)
    {
        var last = 0;
        for (var n = 1; n <= count; n++)
        {
            _doors.Open(last);
            await _doors.BegunAsync(app, 4 + n);
            last = _doors.Begun[3 + n].Number;
        }

        return [.. _doors.Begun.Skip(4).Select(b => b.Queue)];
    }

    private static async Task<WorkerSlots> SeeSlotsAsync(TestApp app, int slots) =>
        (await Eventually.SeeAsync(() => app.Operator.SessionsAsync(), s => s[0].Slots.Count > 0 && s[0].Slots[0].Slots == slots, $"the session has {slots} slots", app.Log.Tail))[0].Slots[0];

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
