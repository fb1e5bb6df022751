using System.Collections.Concurrent;

namespace Jobs.Tests.Engine;

/// <summary>Limits on how many jobs run at once in the whole installation.</summary>
public sealed class LimitTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Of_a_queue_with_two_slots_two_jobs_run_on_any_number_of_workers_and_the_others_follow_by_priority_and_age()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("two") { Queue = "default", Slots = 2 });
        var gates = new Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 4);
        await app.WorkerAsync(gates.RunAsync, concurrency: 4);

        JobId[] first = [await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2))];
        await gates.BegunAsync(1);
        await gates.BegunAsync(2);
        var later = new List<JobId>();
        foreach (var (number, priority) in new (int, JobPriority)[] { (3, JobPriority.Normal), (4, JobPriority.Low), (5, JobPriority.High), (6, JobPriority.Normal) })
        {
            later.Add(await app.Jobs.EnqueueAsync(new Work(number), new() { Priority = priority }));
            await app.InStateAsync(later[^1], JobState.Blocked);
        }

        Assert.Equal((2, true), (await HeldAsync(app, "two:"), await app.ScalarAsync<bool>("select waiting from jobs.gate where id = 'two:'")));
        foreach (var (ends, begins) in new[] { (1, 5), (5, 3), (2, 6), (3, 4) })
        {
            gates.Open(ends);
            await gates.BegunAsync(begins);
            Assert.Equal(2, gates.Running.Count);
        }

        gates.Open(6);
        gates.Open(4);
        await app.AllEndedAsync(6);
        Assert.Equal(0, await HeldAsync(app, "two:"));
        Assert.All(first.Concat(later), id => Assert.Equal(1, app.Runs.Count(r => r.Context.Id == id)));
        Assert.All(app.Runs, r => Assert.Equal(1, r.Context.Attempt));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Who_ends_a_job_at_a_limit_starts_the_next_one_without_a_ticket()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        var gates = new Gates();
        var worker = await app.WorkerAsync(gates.RunAsync);
        using var measured = new Measured(worker);
        await app.Jobs.EnqueueAsync(new Work(1));
        await gates.BegunAsync(1);
        foreach (var number in Enumerable.Range(2, 4))
        {
            await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(number)), JobState.Blocked);
        }

        foreach (var number in Enumerable.Range(1, 5))
        {
            await gates.BegunAsync(number);
            gates.Open(number);
        }

        await app.AllEndedAsync(5);
        await measured.SeeAsync("jobs.claimed", "queue=default", 5);
        Assert.Equal(0, measured["jobs.tickets.published"]); // the first tickets were sent by the process that enqueued, and no scheduler runs
    }

    [Fact]
    public async Task Each_value_of_a_key_has_its_own_slots_and_jobs_without_it_have_no_limit()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("tenant") { Key = "text", Slots = 1 });
        var gates = new Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 8);
        await app.Jobs.EnqueueAsync(new Work(1, "a"));
        await gates.BegunAsync(1);
        var second = await app.Jobs.EnqueueAsync(new Work(2, "a"));
        await app.InStateAsync(second, JobState.Blocked);
        await app.Jobs.EnqueueAsync(new Work(3, "b"));
        await gates.BegunAsync(3);

        gates.Open(1);
        await gates.BegunAsync(2);
        gates.Open(2);
        gates.Open(3);
        await app.AllEndedAsync(3);
    }

    [Fact]
    public async Task Several_limits_let_a_job_through_together_or_not_at_all()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("queue") { Queue = "default", Slots = 2 });
        await app.Limits.SetAsync(new JobLimit("tenant") { Type = "test.work", Key = "text", Slots = 1 });
        var gates = new Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 8);
        await app.Jobs.EnqueueAsync(new Work(1, "a"));
        await gates.BegunAsync(1);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(2, "a")), JobState.Blocked); // its tenant is at its limit
        Assert.Equal((1, 1), (await HeldAsync(app, "queue:"), await HeldAsync(app, "tenant:a")));  // and it holds nothing of the queue's
        await app.Jobs.EnqueueAsync(new Work(3, "b"));
        await gates.BegunAsync(3);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(4, "c")), JobState.Blocked); // the queue is at its limit
        Assert.Equal((2, 0), (await HeldAsync(app, "queue:"), await HeldAsync(app, "tenant:c")));

        gates.Open(1);
        gates.Open(3); // whichever of the others comes first, both fit
        await gates.BegunAsync(2);
        await gates.BegunAsync(4);
        gates.Open(2);
        gates.Open(4);
        await app.AllEndedAsync(4);
        Assert.Equal(0, await app.ScalarAsync<long>("select sum(jobs.held(g)) from jobs.gate g"));
    }

    [Fact]
    public async Task Limit_that_is_set_while_jobs_run_counts_them_and_one_that_is_removed_lets_the_others_go()
    {
        await using var app = await TestApp.CreateAsync();
        var gates = new Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 8);
        await app.Jobs.EnqueueManyAsync([new Work(1), new Work(2), new Work(3)]);
        for (var n = 1; n <= 3; n++)
        {
            await gates.BegunAsync(n);
        }

        await app.Limits.SetAsync(new JobLimit("late") { Type = "test.work", Slots = 2 });
        Assert.Equal(3, await HeldAsync(app, "late:"));
        var fourth = await app.Jobs.EnqueueAsync(new Work(4));
        await app.InStateAsync(fourth, JobState.Blocked);
        gates.Open(1); // two run: no room yet
        await app.SeeAsync(() => gates.Running.Count == 2, "one has ended");
        await Eventually.SeeAsync(() => HeldAsync(app, "late:"), n => n == 2, "two are counted", app.Log.Tail);
        Assert.Equal(JobState.Blocked, (await app.GetAsync(fourth)).State);
        gates.Open(2);
        await gates.BegunAsync(4);

        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work(5)), JobState.Blocked);
        Assert.True(await app.Limits.RemoveAsync("late"));
        await gates.BegunAsync(5);
        gates.Open(3);
        gates.Open(4);
        gates.Open(5);
        await app.AllEndedAsync(5);
        Assert.False(await app.Limits.RemoveAsync("late"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Retry_and_snooze_give_their_slots_back()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        await app.WorkerAsync(Runs.InOrder(() => throw new InvalidOperationException("once"), () => JobOutcome.SnoozeFor(TimeSpan.Zero), () => JobOutcome.Succeeded),
            concurrency: 4, retry: new(delay: _ => TimeSpan.Zero));
        await app.SchedulerAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 5).Select(n => new Work(n)));
        await app.AllEndedAsync(5);
        Assert.Equal((15, 0), (app.Runs.Count, await HeldAsync(app, "one:")));
    }

    [Fact]
    public async Task Job_that_is_unique_until_it_is_started_keeps_its_key_while_it_is_blocked()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        var gates = new Gates();
        await app.WorkerAsync(gates.RunAsync, concurrency: 4);
        var once = new EnqueueOptions { Unique = new Unique { Key = "a", States = Unique.UntilStarted } };
        await app.Jobs.EnqueueAsync(new Work(1), once);
        await gates.BegunAsync(1);
        var second = await app.Jobs.EnqueueAsync(new Work(2), once); // the first has been started
        await app.InStateAsync(second, JobState.Blocked);
        Assert.Equal(second, await app.Jobs.EnqueueAsync(new Work(3), once));
        gates.Open(1);
        await gates.BegunAsync(2);
        Assert.NotEqual(second, await app.Jobs.EnqueueAsync(new Work(4), once));
        gates.Open(2);
        gates.Open(4);
        await app.AllEndedAsync(3);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Cost_that_is_no_number_counts_as_one_and_stops_nobody()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("words") { Queue = "default", Rate = new(1000, TimeSpan.FromSeconds(1)) { Cost = "text" } });
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done);
        await app.Jobs.EnqueueManyAsync([new Work(1, "many"), new Work(2, "-5"), new Work(3, "NaN"), new Work(4, "1e999"), new Work(5, "0"), new Work(6, "2.5")]);
        await app.AllEndedAsync(6);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Leaky_bucket_spaces_the_starts_evenly_and_all_are_started()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Limits.SetAsync(new JobLimit("slow") { Queue = "default", Rate = new(100, TimeSpan.FromSeconds(1)) { Algorithm = RateAlgorithm.LeakyBucket } });
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 8);
        await app.WorkerAsync(Runs.Done, concurrency: 8);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 100).Select(n => new Work(n)));
        await app.AllEndedAsync(100);
        var closest = await app.ScalarAsync<double>("select extract(epoch from min(d))::float8 from (select started_at - lag(started_at) over (order by started_at) as d from jobs.history) x");
        Assert.InRange(closest, 0.01, 0.2);
    }

    internal static Task<int> HeldAsync(TestApp app, string gate) => app.ScalarAsync<int>("select jobs.held(g) from jobs.gate g where id = $1", gate);

    /// <summary>One gate a job number.</summary>
    internal sealed class Gates
    {
        private readonly ConcurrentDictionary<int, TaskCompletionSource> _begun = new();
        private readonly ConcurrentDictionary<int, TaskCompletionSource> _open = new();

        public ConcurrentDictionary<int, bool> Running { get; } = new();

        public Task BegunAsync(int number) => Of(_begun, number).Task.InTimeAsync();

        public void Open(int number) => Of(_open, number).TrySetResult();

        public async Task<JobOutcome> RunAsync(Work job, JobContext context, CancellationToken ct)
        {
            Running[job.Number] = true;
            Of(_begun, job.Number).TrySetResult();
            await Of(_open, job.Number).Task.WaitAsync(ct);
            Running.TryRemove(job.Number, out _);
            return JobOutcome.Succeeded;
        }

        private static TaskCompletionSource Of(ConcurrentDictionary<int, TaskCompletionSource> all, int number) =>
            all.GetOrAdd(number, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }
}
