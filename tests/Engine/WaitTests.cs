using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Engine;

/// <summary>Waiting for the end of a job and for its result.</summary>
public sealed class WaitTests
{
    private static readonly TimeSpan Long = Eventually.Patience;
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    private readonly Guid _session = Guid.NewGuid();

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Result_of_a_typed_handler_is_returned_to_who_waits()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        await app.WorkerAsync(Runs.Done, more: w => w.Handle<Square, SquareHandler>());
        var id = await client.EnqueueAsync(new Square(12));
        Assert.Equal(new Squared(144), await client.WaitAsync<Squared>(id, Long));
        Assert.Equal(new Squared(144), await client.WaitAsync<Squared>(id, TimeSpan.Zero)); // it has ended already
        Assert.Equal(new Squared(144), await client.GetResultAsync<Squared>(id));
        await client.WaitAsync(id, Long);
        var none = await client.EnqueueAsync(new Square(-1));
        Assert.Null(await client.WaitAsync<Squared>(none, Long));
        Assert.Null((await app.GetAsync(none)).Result);
    }

    [Fact]
    public async Task Declared_type_of_a_result_decides_how_it_is_written()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        await app.WorkerAsync(Runs.Done, more: w => w.Handle<Draw, DrawHandler>());
        var id = await client.EnqueueAsync(new Draw());
        Assert.Equal(new Circle(3), await client.WaitAsync<Shape>(id, Long));
    }

    [Fact]
    public async Task Result_that_is_too_large_fails_the_attempt()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        await app.WorkerAsync(Runs.Done, more: w => w.Handle<Bulk, BulkHandler>(new RetryPolicy(maxAttempts: 1)), options: o => o.MaxArgumentBytes = 1000);
        Assert.Equal(new string('x', 998), await client.WaitAsync<string>(await client.EnqueueAsync(new Bulk(998)), Long));
        var failed = await Assert.ThrowsAsync<JobFailedException>(async () => await client.WaitAsync<string>(await client.EnqueueAsync(new Bulk(999)), Long));
        Assert.Equal((JobState.Failed, typeof(JobTooLargeException).FullName), (failed.State, failed.Error?.Type));
        Assert.Contains("has 1,001 bytes; the limit is 1,000", failed.Message, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task End_without_success_is_an_error_that_names_the_last_error()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        var (failing, cancelled, expired) = (await client.EnqueueAsync(new Work(1)), await client.EnqueueAsync(new Work(2)), await client.EnqueueAsync(new Work(3), new() { Expires = TimeSpan.FromMilliseconds(1) }));
        var waits = new[] { failing, cancelled, expired }.Select(id => Assert.ThrowsAsync<JobFailedException>(() => client.WaitAsync(id, Long))).ToArray();
        await app.ClaimAsync(_session, failing);
        await app.ClaimAsync(_session, cancelled);
        Assert.Equal((1, 1), (await app.EndAsync(_session, failing, 1), await app.EndAsync(_session, cancelled, 1, JobState.Cancelled)));
        await app.SchedulerAsync(); // not before: it would rescue what a session runs that does not exist
        var ends = await Task.WhenAll(waits).InTimeAsync();
        Assert.Equal([JobState.Failed, JobState.Cancelled, JobState.Expired], ends.Select(e => e.State));
        Assert.Equal($"Job {failing} (test.work) has failed: x: y", ends[0].Message);
        Assert.Equal($"Job {cancelled} (test.work) was cancelled: x: y", ends[1].Message);
        Assert.StartsWith($"Job {expired} (test.work) has expired: Jobs.Expired: It was not worth starting", ends[2].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_waits_in_vain_is_told_what_the_job_does()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        var (queued, running, scheduled) = (await client.EnqueueAsync(new Work()), await client.EnqueueAsync(new Work()), await client.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) }));
        var blocked = await client.EnqueueAsync(new Work(), new() { After = [queued] });
        await app.ClaimAsync(_session, running);
        Assert.EndsWith("has not ended within 0.05 s: it is queued in queue \"default\".", await InVainAsync(queued), StringComparison.Ordinal);
        Assert.Contains(": it is running, attempt 1, for ", await InVainAsync(running), StringComparison.Ordinal);
        Assert.Contains(": it is scheduled, due in 3", await InVainAsync(scheduled), StringComparison.Ordinal);
        Assert.EndsWith(": it waits for other jobs.", await InVainAsync(blocked), StringComparison.Ordinal);

        async Task<string> InVainAsync(JobId id) => (await Assert.ThrowsAsync<TimeoutException>(() => client.WaitAsync(id, Short))).Message;
    }

    [Fact]
    public async Task Job_that_never_was_is_an_error_at_once()
    {
        await using var app = await TestApp.CreateAsync();
        var id = JobId.New();
        foreach (var client in new[] { Client(await app.ProducerAsync()), app.Jobs })
        {
            Assert.StartsWith($"There is no job {id}:", (await Assert.ThrowsAsync<JobsException>(() => client.WaitAsync(id, Timeout.InfiniteTimeSpan)).InTimeAsync()).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Timeout_outside_of_its_range_is_refused()
    {
        await using var app = await TestApp.CreateAsync();
        foreach (var timeout in new[] { TimeSpan.FromSeconds(-1), TimeSpan.FromDays(31) })
        {
            Assert.Contains("use 0 to 30 days", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => app.Jobs.WaitAsync(JobId.New(), timeout))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Without_a_running_host_it_is_looked_again_and_again()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.That(JobOutcome.WithResult(7)));
        Assert.Equal(7, await app.Jobs.WaitAsync<int>(await app.Jobs.EnqueueAsync(new Work()), Long));
    }

    [Fact]
    public async Task Who_stops_waiting_leaves_the_others_waiting()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        var id = await client.EnqueueAsync(new Work());
        using var stop = new CancellationTokenSource();
        var (impatient, patient) = (client.WaitAsync(id, Long, stop.Token), client.WaitAsync(id, Long));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        await app.WorkerAsync(Runs.Done);
        await patient.InTimeAsync();
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task End_is_told_by_a_signal_and_the_watch_is_gone_then()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        await using var ears = await app.ConnectAsync();
        var heard = new TaskCompletionSource<string>();
        ears.Notification += (_, e) => heard.TrySetResult(e.Payload);
        await using (var listen = ears.CreateCommand())
        {
            listen.CommandText = $"listen \"{app.Schema}\"";
            await listen.ExecuteNonQueryAsync();
        }

        var id = await client.EnqueueAsync(new Work());
        var wait = client.WaitAsync(id, Long);
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.watch where job = $1", id.Value), n => n == 1, "it is watched");
        Assert.True(await app.ScalarAsync<bool>("select followed from jobs.job where id = $1", id.Value));
        await app.WorkerAsync(Runs.Done);
        await wait.InTimeAsync();
        await ears.WaitAsync().InTimeAsync();
        Assert.Equal($"ended {id}", await heard.Task.InTimeAsync());
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.watch"));
    }

    [Fact]
    public async Task Lost_signal_only_delays_the_answer()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        var id = await client.EnqueueAsync(new Work());
        var wait = client.WaitAsync(id, Long);
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.watch where job = $1", id.Value), n => n == 1, "it is watched");

        // It ends, and nobody is told, as after a crash of the worker.
        await app.ClaimAsync(_session, id);
        await app.SucceedAsync(_session, id, 1);
        await wait.InTimeAsync();
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Connection_that_breaks_while_many_wait_delays_only()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        var ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(n => client.EnqueueAsync(new Work(n))));
        var waits = ids.Select(id => client.WaitAsync<int>(id, Long)).ToArray();
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.watch"), n => n == ids.Length, "all are watched");
        Assert.True(await app.ScalarAsync<bool>("""
            select pg_terminate_backend(l.pid) from pg_locks l join jobs.session s on s.lock_key = (l.classid::bigint << 32) | l.objid::bigint
            where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
            """));
        await app.WorkerAsync((job, _, _) => Task.FromResult(JobOutcome.WithResult(job.Number)));
        Assert.Equal(Enumerable.Range(0, 20), await Task.WhenAll(waits).InTimeAsync());
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Ten_thousand_wait_at_once()
    {
        await using var app = await TestApp.CreateAsync();
        var client = Client(await app.ProducerAsync());
        JobId[] ids = [.. Enumerable.Range(0, 10_000).Select(_ => JobId.New())];
        await client.EnqueueManyAsync(Enumerable.Range(0, ids.Length).Select(n => new Work(n)), w => new() { Id = ids[w.Number] });
        var waits = ids.Select(id => client.WaitAsync<int>(id, TimeSpan.FromMinutes(2))).ToArray();
        await app.WorkerAsync((job, _, _) => Task.FromResult(JobOutcome.WithResult(job.Number)), concurrency: 100);
        Assert.Equal(Enumerable.Range(0, ids.Length), await Task.WhenAll(waits));
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.watch"), n => n == 0, "nothing is watched any more");
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Watches_of_nobody_are_cleared_away()
    {
        await using var app = await TestApp.CreateAsync();
        var (live, kept) = (await app.Jobs.EnqueueAsync(new Work()), await app.Jobs.EnqueueAsync(new Work()));
        var client = Client(await app.ProducerAsync());
        var wait = client.WaitAsync(kept, Long);
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.watch"), n => n == 1, "it is watched");
        await app.SqlAsync("insert into jobs.watch select $1, gen_random_uuid() union all select gen_random_uuid(), session from jobs.watch", live.Value);
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<Guid[]>("select array_agg(job) from jobs.watch"), w => w.SequenceEqual([kept.Value]), "only what is waited for is watched", app.Log.Tail);
        await app.WorkerAsync(Runs.Done);
        await wait.InTimeAsync();
    }

    private static IJobClient Client(IHost host) => host.Services.GetRequiredService<IJobClient>();
}

[Job("test.square")]
internal sealed record Square(int Number);

internal sealed record Squared(int Number);

internal sealed class SquareHandler : IJobHandler<Square, Squared?>
{
    public Task<Squared?> HandleAsync(Square job, JobContext context, CancellationToken ct) => Task.FromResult(job.Number < 0 ? null : new Squared(job.Number * job.Number));
}

[Job("test.bulk")]
internal sealed record Bulk(int Length);

internal sealed class BulkHandler : IJobHandler<Bulk, string>
{
    public Task<string> HandleAsync(Bulk job, JobContext context, CancellationToken ct) => Task.FromResult(new string('x', job.Length));
}

[System.Text.Json.Serialization.JsonDerivedType(typeof(Circle), "circle")]
internal abstract record Shape;

internal sealed record Circle(int Radius) : Shape;

[Job("test.draw")]
internal sealed record Draw;

internal sealed class DrawHandler : IJobHandler<Draw, Shape>
{
    public Task<Shape> HandleAsync(Draw job, JobContext context, CancellationToken ct) => Task.FromResult<Shape>(new Circle(3));
}
