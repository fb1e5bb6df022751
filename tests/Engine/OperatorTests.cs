namespace Jobs.Tests.Engine;

/// <summary>What an operator sees: jobs live and ended, page by page, queues and who leads.</summary>
public sealed class OperatorTests
{
    private readonly Guid _session = Guid.NewGuid();

    [Fact]
    public async Task Pages_have_no_gaps_and_no_doubles_across_live_and_ended_jobs_while_jobs_end()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 40).Select(n => new Work(n)), w => w.Number % 5 == 0 ? new() { Delay = TimeSpan.FromHours(1) } : null);
        var ids = (await app.Operator.ListAsync(new(), new() { Limit = 100 })).Select(j => j.Id).ToList();
        await EndAsync(app, ids[3], ids[8], ids[20], ids[39]);

        var pages = new List<JobInfo>();
        JobId? below = null;
        while (await app.Operator.ListAsync(new(), new() { Limit = 7, Below = below }) is { Count: > 0 } page)
        {
            pages.AddRange(page);
            below = page[^1].Id;
            await EndAsync(app, page[0].Id, ids[Math.Min(pages.Count + 2, 39)]); // of this page and of the next one
        }

        Assert.Equal(ids, pages.Select(j => j.Id));
        Assert.Equal(ids, ids.OrderByDescending(i => i.ToString(), StringComparer.Ordinal));
        Assert.Contains(pages, j => j.State == JobState.Succeeded);
        Assert.Contains(pages, j => j.State == JobState.Queued);
        Assert.Contains(pages, j => j.State == JobState.Scheduled);
    }

    [Fact]
    public async Task Filters_narrow_by_queue_type_and_state_in_any_combination()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 12).Select(n => new Work(n)), w => new() { Queue = w.Number % 2 == 0 ? "even" : "odd" });
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 4).Select(n => new Other(n)), _ => new() { Queue = "odd" });
        var odd = await app.Operator.ListAsync(new() { Queue = "odd", Type = "test.work" });
        Assert.Equal(6, odd.Count);
        await EndAsync(app, odd[0].Id, odd[1].Id);

        Task<int> Count(JobFilter filter) => app.Operator.ListAsync(filter).ContinueWith(l => l.Result.Count, TaskScheduler.Default);
        Assert.Equal(16, await Count(new()));
        Assert.Equal(10, await Count(new() { Queue = "odd" }));
        Assert.Equal(4, await Count(new() { Type = "test.other" }));
        Assert.Equal(2, await Count(new() { State = JobState.Succeeded }));
        Assert.Equal(4, await Count(new() { State = JobState.Queued, Queue = "odd", Type = "test.work" }));
        Assert.Equal(2, await Count(new() { Queue = "odd", Type = "test.work", State = JobState.Succeeded }));
        Assert.Equal(0, await Count(new() { Queue = "even", State = JobState.Succeeded }));
        Assert.Equal(0, await Count(new() { State = JobState.Cancelled }));
        Assert.Equal(3, (await app.Operator.ListAsync(new(), new() { Limit = 3 })).Count);
        Assert.Equal(odd.Skip(1).Select(j => j.Id), (await app.Operator.ListAsync(new() { Queue = "odd", Type = "test.work" }, new() { Below = odd[0].Id })).Select(j => j.Id));
    }

    [Fact]
    public async Task Queues_are_counted_by_state()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 7).Select(n => new Work(n)), w => new() { Queue = "mail", Delay = w.Number < 2 ? TimeSpan.FromHours(1) : null });
        await EndAsync(app, await app.Jobs.EnqueueAsync(new Work()));
        var running = (await app.Operator.ListAsync(new() { Queue = "mail", State = JobState.Queued }))[0].Id;
        await app.ClaimAsync(_session, running, queue: "mail");
        await app.SqlAsync("insert into jobs.queue (name) values ('idle')");

        var queues = await app.Operator.QueuesAsync();
        Assert.Equal(["idle", "mail"], queues.Select(q => q.Name));
        Assert.Equal((0, 0), (queues[0].Live.Count, queues[0].Rates.LastFifteenMinutes.Count));
        Assert.Equal(new() { [JobState.Queued] = 4, [JobState.Scheduled] = 2, [JobState.Running] = 1 }, queues[1].Live.ToDictionary());
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(-400 * 24)]
    [InlineData(-1)]
    [InlineData(20)]
    public async Task Job_is_found_after_its_end_whatever_the_clock_of_its_producer_said(int hours)
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var now = await app.ScalarAsync<DateTime>("select now()");
        var id = new JobId(Guid.CreateVersion7(new DateTimeOffset(now).AddHours(hours)));
        await app.Jobs.EnqueueAsync(new Work(), new() { Id = id });
        Assert.Equal(JobState.Succeeded, (await Eventually.SeeAsync(() => app.Jobs.GetAsync(id), j => j?.EndedAt is not null, "its end"))!.State);
        await app.Jobs.EnqueueAsync(new Work(), new() { Id = id });
        Assert.Equal((0, 1), (await app.LiveAsync(), await app.EndedAsync()));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task One_of_two_schedulers_leads_and_the_other_takes_over_when_it_stops()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var first = await app.SchedulerAsync();
        var leader = (await LeadersAsync(app, seen => seen.Length == 1))[0];
        Assert.Equal(1, await EpochAsync(app));
        await app.SchedulerAsync();
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromMilliseconds(300) }));
        Assert.Equal(leader, Assert.Single(await LeadersAsync(app, _ => true)));

        await app.StopAsync(first);
        Assert.NotEqual(leader, (await LeadersAsync(app, seen => seen.Length == 1 && seen[0] != leader))[0]);
        Assert.Equal(2, await EpochAsync(app));
        await app.SeeAsync(() => app.Log.Of(1500).Count() == 2, "both have said that they lead");
        Assert.Equal(["This scheduler leads now (epoch 1)", "This scheduler leads now (epoch 2)"], app.Log.Of(1500).Select(l => l.Text));
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromMilliseconds(300) }));
        Assert.Equal(2, app.Runs.Count);
    }

    private static Task<Guid[]> LeadersAsync(TestApp app, Func<Guid[], bool> done) =>
        Eventually.SeeAsync(async () => (await app.Operator.SessionsAsync()).Where(s => s.Leads).Select(s => s.Id).ToArray(), done, "a leader", app.Log.Tail);

    private static Task<long> EpochAsync(TestApp app) => app.ScalarAsync<long>("select epoch from jobs.leader");

    /// <summary>Ends those that are queued.</summary>
    private async Task EndAsync(TestApp app, params JobId[] ids)
    {
        foreach (var id in ids)
        {
            var queue = await app.ScalarAsync<string?>("select queue from jobs.job where id = $1", id.Value);
            if (queue is not null && (await app.ClaimAsync(_session, id, queue: queue)).Count == 1)
            {
                Assert.Equal(1, await app.SucceedAsync(_session, id, attempt: 1));
            }
        }
    }
}
