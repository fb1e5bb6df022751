using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Engine;

/// <summary>The instruments after a known run.</summary>
public sealed class MetricTests
{
    private static readonly RetryPolicy AtOnce = new(maxAttempts: 2, _ => TimeSpan.Zero, jitter: 0);

    [Fact]
    public async Task Every_job_and_every_attempt_is_counted_once()
    {
        await using var app = await TestApp.CreateAsync();
        var producer = await app.ProducerAsync();
        var scheduler = await app.SchedulerAsync();
        var worker = await app.WorkerAsync((work, context, _) => work.Number switch
        {
            1 when context.Attempt == 1 => throw new FormatException("once"),
            2 => throw new FormatException("always"),
            3 when context.Attempt == 1 => Task.FromResult(JobOutcome.SnoozeFor(TimeSpan.Zero)),
            _ => Task.FromResult(JobOutcome.Succeeded),
        }, retry: AtOnce);
        using var produced = new Measured(producer);
        using var worked = new Measured(worker);
        using var scheduled = new Measured(scheduler);
        var jobs = producer.Services.GetRequiredService<IJobClient>();
        var fixedId = JobId.New();
        await jobs.EnqueueManyAsync(Enumerable.Range(0, 5).Select(n => new Work(n)));
        await jobs.EnqueueAsync(new Work(9), new() { Id = fixedId });
        await jobs.EnqueueAsync(new Work(9), new() { Id = fixedId }); // is there already
        await app.AllEndedAsync(6);

        await produced.SeeAsync("jobs.enqueued", "queue=default type=test.work via=client", 6);
        await produced.SeeAsync("jobs.enqueue.duration", "", 3);
        await produced.SeeAsync("jobs.tickets.published", "", 6);
        await produced.SeeAsync("jobs.tickets.confirmed", "", 6);
        await produced.SeeAsync("jobs.tickets.unconfirmed", "", 0);
        Assert.True(produced["jobs.publisher.lanes", "state=open"] >= 1); // more where tickets had to wait
        await produced.SeeAsync("jobs.broker.connected", "connection=publish", 1);

        await worked.SeeAsync("jobs.ended", "queue=default state=succeeded type=test.work", 5);
        await worked.SeeAsync("jobs.ended", "queue=default state=failed type=test.work", 1);
        await worked.SeeAsync("jobs.claimed", "queue=default", 9);
        await worked.SeeAsync("jobs.wait.duration", "queue=default type=test.work", 6);
        await worked.SeeAsync("jobs.attempt.duration", "outcome=succeeded queue=default type=test.work", 5);
        await worked.SeeAsync("jobs.attempt.duration", "outcome=retried queue=default type=test.work", 2);
        await worked.SeeAsync("jobs.attempt.duration", "outcome=failed queue=default type=test.work", 1);
        await worked.SeeAsync("jobs.attempt.duration", "outcome=snoozed queue=default type=test.work", 1);
        await worked.SeeAsync("jobs.attempt.failures", "type=System.FormatException outcome=retried queue=default type=test.work", 2);
        await worked.SeeAsync("jobs.attempt.failures", "type=System.FormatException outcome=failed queue=default type=test.work", 1);
        await worked.SeeAsync("jobs.outcomes.refused", "", 0);
        await worked.SeeAsync("jobs.outcomes.buffered", "", 0);

        await scheduled.SeeAsync("jobs.due", "", 3);
        await scheduled.SeeAsync("jobs.leading", "", 1);
        Assert.True(scheduled["jobs.due.lateness"] > 0);
    }

    [Fact]
    public async Task Slots_and_heartbeats_are_seen_as_they_are()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var worker = await app.WorkerAsync(gate.RunAsync);
        using var worked = new Measured(worker);
        await worked.SeeAsync("jobs.consuming", "queue=default", 1);
        Assert.Equal((4, 0), (worked["jobs.slots", "queue=default"], worked["jobs.slots.used", "queue=default"]));
        await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        await worked.SeeAsync("jobs.slots.used", "queue=default", 1);
        gate.Open();
        await worked.SeeAsync("jobs.slots.used", "queue=default", 0);
        Assert.InRange(worked["jobs.session.heartbeat.age"], 0.000001, 45);
    }

    [Fact]
    public async Task Outcome_that_comes_too_late_is_counted_as_refused()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var worker = await app.WorkerAsync(gate.RunAsync);
        using var worked = new Measured(worker);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        await app.SqlAsync("update jobs.job set attempt = attempt + 1 where id = $1", id.Value);
        gate.Open();
        await worked.SeeAsync("jobs.outcomes.refused", "", 1);
        Assert.Equal(0, worked["jobs.ended", "queue=default state=succeeded type=test.work"]);
    }

    [Fact]
    public async Task Leader_tells_how_many_jobs_are_in_each_state_and_how_long_the_oldest_has_waited()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 3).Select(n => new Work(n)));
        await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        await app.SqlAsync("update jobs.job set enqueued_at = now() - interval '1 hour' where state = 'queued'");
        var host = app.Build(b => b.AddScheduler());
        using var scheduled = new Measured(host);
        await app.StartAsync(host);
        await scheduled.SeeAsync("jobs.live", "queue=default state=queued", 3);
        Assert.Equal((1, 0), (scheduled["jobs.live", "queue=default state=scheduled"], scheduled["jobs.live", "queue=default state=running"]));
        Assert.InRange(scheduled["jobs.oldest", "queue=default"], 3600, 3700);
    }

    [Fact]
    public async Task Dead_worker_is_counted_and_so_are_the_jobs_it_leaves()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.SqlAsync("update jobs.job set state = 'running', attempt = 1, session = $1, started_at = now() where id = $2", Guid.NewGuid(), id.Value);
        var host = app.Build(b => b.AddScheduler());
        using var scheduled = new Measured(host);
        await app.StartAsync(host);
        await scheduled.SeeAsync("jobs.rescued", "queue=default", 1);
    }
}
