using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Engine;

/// <summary>How a worker treats what it is given: unknown types, bad arguments, vanished rows, scopes, slots.</summary>
public sealed class WorkerTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Unknown_type_is_released_for_a_while_when_no_live_worker_knows_it()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.WorkerAsync(Runs.Done);
        var id = await app.Jobs.EnqueueAsync(new Other(7));
        var released = await app.InStateAsync(id, JobState.Scheduled);
        Assert.Equal((0, 0, null), (released.Attempt, released.Failures, released.Session));
        Assert.Empty(released.Errors);
        Assert.InRange(await app.ScalarAsync<double>("select extract(epoch from due_at - now())::float8 from jobs.job"), 15, 90);
        await app.LoggedAsync(1412); // said after the release is committed
        Assert.Contains("test.other", Assert.Single(app.Log.Of(1412)).Text, StringComparison.Ordinal);

        await app.StopAsync(host);
        await app.WorkerAsync(Runs.Done, more: w => w.HandleOutcome<Other, OtherHandler>());
        await app.SchedulerAsync();
        await app.MakeDueAsync(id);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 1, 0), (ended.State, ended.Attempt, ended.Failures));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Unknown_type_runs_on_a_worker_that_knows_it()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 8);
        await app.WorkerAsync(Runs.Done, concurrency: 2, more: w => w.HandleOutcome<Other, OtherHandler>());
        await app.SchedulerAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 20).Select(n => new Other(n)));
        await app.AllEndedAsync(20);
        Assert.Equal(Enumerable.Range(0, 20), app.Runs.Select(r => r.Job.Number).Order());
        Assert.All(await app.Operator.ListAsync(new()), j => Assert.Equal((JobState.Succeeded, 1, 0), (j.State, j.Attempt, j.Failures)));
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("""{"number": "seven"}""")]
    [InlineData("""[1, 2]""")]
    [InlineData("null")]
    public async Task Arguments_that_do_not_fit_count_as_a_failed_attempt_with_a_clear_error(string arguments)
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var id = await app.Jobs.EnqueueJsonAsync("test.work", arguments);
        var scheduled = await app.InStateAsync(id, JobState.Scheduled);
        Assert.Equal((1, 1), (scheduled.Attempt, scheduled.Failures));
        var message = Assert.Single(scheduled.Errors).Message;
        Assert.StartsWith("The arguments of this \"test.work\" job do not fit Work: ", message, StringComparison.Ordinal);
        Assert.EndsWith("deploy a worker that can read it.", message, StringComparison.Ordinal);
        Assert.Empty(app.Runs);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Ticket_of_a_row_that_vanished_is_dropped_and_the_worker_goes_on()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 10).Select(n => new Work(n)));
        await app.WaitForTicketsAsync("default", 10);
        Assert.Equal(9, await app.SqlAsync("delete from jobs.job where args->>'number' <> '9'"));
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(1);
        await app.Jobs.EnqueueAsync(new Work(10));
        await app.AllEndedAsync(2);
        Assert.Equal([9, 10], app.Runs.Select(r => r.Job.Number));
        await app.WaitForTicketsAsync("default", 0);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Each_attempt_has_a_scope_of_its_own_that_ends_with_it()
    {
        await using var app = await TestApp.CreateAsync();
        var probes = new ConcurrentQueue<Probe>();
        await app.WorkerAsync(Runs.Done, concurrency: 1, more: w => w.Handle<Other, ScopedHandler>(new RetryPolicy(2, _ => TimeSpan.Zero)), services: s =>
        {
            s.AddSingleton(probes);
            s.AddScoped<Probe>();
            s.AddScoped<Friend>();
        });
        await app.SchedulerAsync();
        await app.Jobs.EnqueueManyAsync([new Other(1), new Other(2)]); // the second one fails twice
        await app.AllEndedAsync(2);
        Assert.Equal(3, probes.Count);
        Assert.Equal(3, probes.Distinct().Count());
        Assert.All(probes, p => Assert.Equal((false, true, true), (p.DisposedInHandler, p.SharedInScope, p.Disposed)));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Handler_that_cannot_be_made_fails_the_attempt()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, more: w => w.Handle<Other, ScopedHandler>()); // its services are missing
        var scheduled = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Other()), JobState.Scheduled);
        Assert.Contains(nameof(Probe), Assert.Single(scheduled.Errors).Message, StringComparison.Ordinal);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task All_slots_of_each_queue_are_used_and_never_more()
    {
        await using var app = await TestApp.CreateAsync();
        var slots = new Dictionary<string, int> { ["one"] = 1, ["three"] = 3, ["five"] = 5 };
        var now = new ConcurrentDictionary<string, int>();
        var most = new ConcurrentDictionary<string, int>();
        var full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await app.WorkerAsync(async (_, context, _) =>
        {
            var queue = context.Queue.Value;
            var n = now.AddOrUpdate(queue, 1, (_, was) => was + 1);
            most.AddOrUpdate(queue, n, (_, was) => Math.Max(was, n));
            if (slots.All(s => now.GetValueOrDefault(s.Key) == s.Value))
            {
                full.TrySetResult();
            }

            await full.Task.InTimeAsync();
            await Task.Yield();
            now.AddOrUpdate(queue, 0, (_, was) => was - 1);
            return JobOutcome.Succeeded;
        }, more: w =>
        {
            foreach (var (queue, concurrency) in slots)
            {
                w.Queue(queue, concurrency);
            }
        });
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 600).Select(n => new Work(n)), w => new() { Queue = slots.Keys.ElementAt(w.Number % 3) });
        await app.AllEndedAsync(600);
        Assert.Equal(slots.OrderBy(s => s.Key, StringComparer.Ordinal), most.OrderBy(m => m.Key, StringComparer.Ordinal));
        Assert.Equal(600, app.Runs.Select(r => r.Job.Number).Distinct().Count());
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Two_workers_share_a_queue_and_each_job_runs_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 3);
        await app.WorkerAsync(Runs.Done, concurrency: 3);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 1500).Select(n => new Work(n)));
        await app.AllEndedAsync(1500);
        Assert.Equal(Enumerable.Range(0, 1500), app.Runs.Select(r => r.Job.Number).Order());
    }

    private sealed class Friend(Probe probe)
    {
        public Probe Probe { get; } = probe;
    }

    private sealed class Probe : IAsyncDisposable
    {
        public bool Disposed { get; private set; }

        public bool DisposedInHandler { get; set; }

        public bool SharedInScope { get; set; }

        public ValueTask DisposeAsync()
        {
            Disposed = true;
            return ValueTask.CompletedTask;
        }
    }

    private sealed class ScopedHandler(Probe probe, Friend friend, ConcurrentQueue<Probe> probes) : IJobHandler<Other>
    {
        public async Task HandleAsync(Other job, JobContext context, CancellationToken ct)
        {
            probes.Enqueue(probe);
            await Task.Yield();
            (probe.DisposedInHandler, probe.SharedInScope) = (probe.Disposed, ReferenceEquals(friend.Probe, probe));
            if (job.Number == 2)
            {
                throw new InvalidOperationException("no");
            }
        }
    }
}
