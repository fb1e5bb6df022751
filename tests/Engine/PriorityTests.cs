namespace Jobs.Tests.Engine;

/// <summary>Strict priorities from the queue to the handler, first come first served within one.</summary>
public sealed class PriorityTests
{
    /// <summary>With one slot the broker pushes two tickets ahead; only those may be out of order.</summary>
    private const int Prefetched = 2;

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Backlog_of_mixed_priorities_runs_highest_first_and_in_order_within_one()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 128).Select(n => new Work(n)), w => new() { Priority = w.Number * 7 % 32 });
        await app.WaitForTicketsAsync("default", 128);
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(128);

        // Priorities 0 and 1 share a level: the client cannot send a 0.
        var order = app.Runs.Select(r => (Priority: Math.Max(1, (int)r.Context.Priority.Value), r.Job.Number)).ToList();
        for (var i = 0; i < order.Count; i++)
        {
            var lowerBefore = order.Take(i).Count(earlier => earlier.Priority < order[i].Priority);
            Assert.True(lowerBefore <= Prefetched, $"{lowerBefore} jobs of lower priority ran before job {order[i].Number} of priority {order[i].Priority}: {string.Join(' ', order)}");
        }

        Assert.All(order.GroupBy(o => o.Priority), same => Assert.Equal(same.Select(o => o.Number).Order(), same.Select(o => o.Number)));
        Assert.Equal(31, order.Select(o => o.Priority).Distinct().Count());
    }

    [Fact]
    public async Task Urgent_job_overtakes_all_but_the_prefetched_tickets()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Number == 0 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), concurrency: 1);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 50).Select(n => new Work(n)), _ => new() { Priority = JobPriority.Low });
        await gate.Begun;
        await Eventually.SeeAsync(() => app.DepthAsync("default"), depth => depth <= 50 - 1 - Prefetched, "the prefetched tickets have left the queue");
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(100, 5).Select(n => new Work(n)), _ => new() { Priority = JobPriority.High });
        await app.WaitForTicketsAsync("default", 50 - 1 - Prefetched + 5);
        gate.Open();
        await app.AllEndedAsync(55);

        var order = app.Runs.Select(r => r.Job.Number).ToList();
        Assert.Equal(Enumerable.Range(100, 5), order.Where(n => n >= 100));
        Assert.InRange(order.IndexOf(100), 1, 1 + Prefetched);
        Assert.InRange(order.IndexOf(104), 5, 5 + Prefetched);
    }
}
