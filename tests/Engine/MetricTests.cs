using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Engine;

/// <summary>The instruments after a known run.</summary>
public sealed class MetricTests
{
    private static readonly RetryPolicy AtOnce = new(maxAttempts: 2, _ => TimeSpan.Zero, jitter: 0);

    [Trait("Category", "Slow")]
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

    [Trait("Category", "Slow")]
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

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_of_a_context_or_of_plain_sql_is_counted_by_whoever_queues_it_and_only_then()
    {
        const string Sql = "queue=default type=test.work via=sql";
        await using var app = await TestApp.CreateAsync();
        await using var shop = await ShopHost.StartAsync(app);
        using var saved = new Measured(shop.Host);
        var db = shop.Context();
        db.Jobs().Enqueue(new Work(), new() { Unique = new() { Key = "k" } });
        db.Jobs().Enqueue(new Work(), new() { Unique = new() { Key = "k" } }); // is there already
        db.Jobs().Enqueue(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        await db.SaveChangesAsync();
        await saved.SeeAsync("jobs.enqueued", Sql, 1);

        await using var connection = await app.ConnectAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            var id = await app.Jobs.EnqueueAsync(new Work(), transaction);
            await transaction.CommitAsync();
            Assert.Equal(1, await shop.Host.Services.GetRequiredService<IJobClient>().DispatchAsync([id]));
        }

        Assert.Equal(1, saved["jobs.enqueued", Sql]); // that one was counted when it was written

        await app.SqlAsync("select jobs.enqueue('test.work', json_build_object('number', n)) from generate_series(1, 3) n");
        await app.WorkerAsync(Runs.InOrder(() => JobOutcome.SnoozeFor(TimeSpan.Zero), () => JobOutcome.Succeeded));
        var host = app.Build(b => b.AddScheduler());
        using var scheduled = new Measured(host);
        await app.StartAsync(host);
        await Eventually.SeeAsync(app.EndedAsync, n => n == 5, "all but the delayed one have ended", app.Log.Tail);
        Assert.Equal((3, 8), (scheduled["jobs.enqueued", Sql], scheduled["jobs.due"])); // three that are new, and five snoozes
    }

    [Fact]
    public async Task Listener_that_throws_costs_no_job_its_run_or_its_end()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = true };
        var worker = await app.WorkerAsync((job, context, ct) => job.Number == 1 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct),
            retry: new(maxAttempts: 1), more: w => w.TimeoutGrace = TimeSpan.FromMilliseconds(50));
        var factory = worker.Services.GetRequiredService<IMeterFactory>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Scope == factory && instrument.Name is "jobs.wait.duration" or "jobs.attempt.duration" or "jobs.attempt.abandoned")
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => throw new FormatException("a listener's own"));
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => throw new FormatException("a listener's own"));
        listener.Start();
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(2)))).State);
        Assert.Equal(2, app.Log.Of(1446).Count());

        var abandoned = await app.Jobs.EnqueueAsync(new Work(1), new() { Timeout = TimeSpan.FromMilliseconds(50) });
        Assert.Equal(JobState.Failed, (await app.EndedAsync(abandoned)).State);
        await app.SeeAsync(() => app.Log.Of(1446).Count() == 4, "its start and its end were not measured");
        Assert.Empty(app.Log.Of(1423)); // nor was it lost
        gate.Open();
        await app.LoggedAsync(1427);
    }

    [Trait("Category", "Slow")]
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
