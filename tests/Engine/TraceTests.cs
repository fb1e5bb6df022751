using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;

namespace Jobs.Tests.Engine;

/// <summary>The thread from the call that enqueued a job to each of its attempts.</summary>
[Collection(Alone.Name)]
public sealed class TraceTests
{
    private static readonly RetryPolicy AtOnce = new(maxAttempts: 3, _ => TimeSpan.Zero, jitter: 0);

    [Fact]
    public async Task Attempt_is_a_trace_of_its_own_that_is_linked_to_the_span_that_enqueued_its_job()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        using var spans = new Spans(JobsTelemetry.Sources);
        JobId id;
        using (Spans.Caller())
        {
            id = await app.Jobs.EnqueueAsync(new Work(), new() { Priority = 20 });
        }

        var process = await spans.OneAsync("process default");
        var send = await spans.OneAsync("send default");
        Assert.Equal(ActivityKind.Producer, send.Kind);
        Assert.Equal((await spans.OneAsync("request")).SpanId, send.ParentSpanId);
        Assert.Equal(new Dictionary<string, object?>
        {
            ["messaging.system"] = "jobs", ["messaging.operation.name"] = "send", ["messaging.operation.type"] = "send", ["messaging.destination.name"] = "default",
            ["messaging.message.id"] = id.ToString(), ["jobs.type"] = "test.work", ["jobs.priority"] = 20,
        }, Tags(send));
        Assert.Equal(send.Id, (await app.GetAsync(id)).Trace);

        Assert.Equal(ActivityKind.Consumer, process.Kind);
        Assert.Equal(default, process.ParentSpanId);
        Assert.NotEqual(send.TraceId, process.TraceId);
        Assert.Equal((send.TraceId, send.SpanId), Link(process));
        Assert.Equal(new Dictionary<string, object?>
        {
            ["messaging.system"] = "jobs", ["messaging.operation.name"] = "process", ["messaging.operation.type"] = "process", ["messaging.destination.name"] = "default",
            ["messaging.message.id"] = id.ToString(), ["jobs.type"] = "test.work", ["jobs.priority"] = 20, ["jobs.attempt"] = 1, ["jobs.outcome"] = "succeeded",
        }, Tags(process));
        Assert.Equal(ActivityStatusCode.Unset, process.Status);
    }

    [Fact]
    public async Task Retry_is_a_new_span_with_the_same_link()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.InOrder(() => throw new FormatException("no good"), () => JobOutcome.Succeeded), retry: AtOnce);
        await app.SchedulerAsync();
        using var spans = new Spans(JobsTelemetry.Sources);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        var attempts = await spans.ManyAsync("process default", 2);
        var send = await spans.OneAsync("send default");
        Assert.All(attempts, a => Assert.Equal((send.TraceId, send.SpanId), Link(a)));
        Assert.Equal([(1, "retried"), (2, "succeeded")], attempts.Select(a => ((int)a.GetTagItem("jobs.attempt")!, (string)a.GetTagItem("jobs.outcome")!)));
        Assert.Equal((ActivityStatusCode.Error, "no good", "System.FormatException"), (attempts[0].Status, attempts[0].StatusDescription, attempts[0].GetTagItem("error.type")));
        Assert.Equal("exception", Assert.Single(attempts[0].Events).Name);
        Assert.Null(attempts[1].GetTagItem("error.type"));
    }

    [Fact]
    public async Task Job_of_the_callers_transaction_carries_its_trace()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        using var spans = new Spans(JobsTelemetry.Sources);
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), transaction);
        await transaction.CommitAsync();
        await app.Jobs.DispatchAsync([id]);
        var process = await spans.OneAsync("process default");
        var send = await spans.OneAsync("send default");
        Assert.Equal((send.TraceId, send.SpanId), Link(process));
    }

    [Fact]
    public async Task Bulk_enqueue_is_one_span_that_all_of_its_jobs_carry()
    {
        await using var app = await TestApp.CreateAsync();
        using var spans = new Spans(JobsTelemetry.Sources);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 1500).Select(n => new Work(n)));
        var send = await spans.OneAsync("send default");
        Assert.Equal(1500L, send.GetTagItem("messaging.batch.message_count"));
        Assert.Equal(1500, await app.ScalarAsync<long>("select count(*) from jobs.job where trace = $1", send.Id!));

        await app.Jobs.EnqueueManyAsync([new Work(1), new Work(2)], w => new() { Queue = w.Number == 1 ? "one" : "two" });
        var mixed = await spans.OneAsync("send");
        Assert.Null(mixed.GetTagItem("messaging.destination.name"));

        var graph = new JobGraph();
        graph.Add(new Work()).Then(new Work());
        await app.Jobs.EnqueueGraphAsync(graph);
        Assert.Equal(2, await app.ScalarAsync<long>("select count(*) from jobs.job where trace = $1", (await spans.ManyAsync("send default", 2))[1].Id!));
    }

    [Fact]
    public async Task Job_that_a_handler_enqueues_belongs_to_the_attempts_trace()
    {
        await using var app = await TestApp.CreateAsync();
        var jobs = app.Jobs;
        await app.WorkerAsync(async (work, _, ct) =>
        {
            if (work.Number == 1)
            {
                await jobs.EnqueueAsync(new Work(2), ct: ct);
            }

            return JobOutcome.Succeeded;
        });
        using var spans = new Spans(JobsTelemetry.Sources);
        await app.Jobs.EnqueueAsync(new Work(1));
        var attempts = await spans.ManyAsync("process default", 2);
        var first = Assert.Single(attempts, a => spans.Of("send default").Any(s => s.ParentSpanId == a.SpanId));
        var second = attempts.Single(a => a != first);
        Assert.Equal(first.TraceId, Link(second).Trace);
    }

    [Fact]
    public async Task Without_a_listener_only_a_recorded_span_of_the_caller_is_carried()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.Null((await app.GetAsync(await app.Jobs.EnqueueAsync(new Work()))).Trace);
        Assert.Equal(2, await app.Jobs.EnqueueManyAsync([new Work(), new Work()]));
        Assert.Equal(0, await app.ScalarAsync<long>("select count(*) from jobs.job where trace is not null"));

        using var span = new Activity("request").SetIdFormat(ActivityIdFormat.W3C).Start();
        Assert.Null((await app.GetAsync(await app.Jobs.EnqueueAsync(new Work()))).Trace);
        span.ActivityTraceFlags = ActivityTraceFlags.Recorded;
        Assert.Equal(span.Id, (await app.GetAsync(await app.Jobs.EnqueueAsync(new Work()))).Trace);
    }

    [Fact]
    public async Task Refused_enqueue_says_so_in_its_span()
    {
        await using var app = await TestApp.CreateAsync();
        using var spans = new Spans(JobsTelemetry.Sources);
        await Assert.ThrowsAsync<JobsException>(() => app.Jobs.EnqueueAsync(new Work(), new() { Batch = JobId.New() }));
        var send = await spans.OneAsync("send default");
        Assert.Equal((ActivityStatusCode.Error, "Jobs.JobsException"), (send.Status, send.GetTagItem("error.type")));
    }

    [Fact]
    public async Task Message_of_another_program_brings_its_trace_along()
    {
        const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await app.DeclareSubmitAsync();
        using var spans = new Spans(JobsTelemetry.Sources);
        await app.SchedulerAsync();
        await app.OnConfirmingBrokerAsync(async channel =>
        {
            var properties = new BasicProperties { Headers = new Dictionary<string, object?> { ["traceparent"] = Encoding.UTF8.GetBytes(Trace) } };
            await channel.BasicPublishAsync(app.QueueName("submit"), "test.work", mandatory: true, properties, "{}"u8.ToArray());
            return true;
        });
        var process = await spans.OneAsync("process default");
        Assert.Equal(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"), (Link(process).Trace.ToHexString(), Link(process).Span.ToHexString()));
    }

    [Fact]
    public async Task Job_of_a_schedule_is_linked_to_the_look_that_enqueued_it()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await app.SchedulerAsync();
        using var spans = new Spans(JobsTelemetry.Sources);
        await app.Schedules.AddAsync("often", Recurrence.Every(TimeSpan.FromSeconds(1)), new Work());
        var process = (await spans.ManyAsync("process default", 1))[0];
        var record = Assert.Single(spans.Of("record often"), s => s.SpanId == Link(process).Span);
        Assert.Equal("often", record.GetTagItem("jobs.schedule"));
    }

    [Fact]
    public async Task What_runs_behind_a_callers_back_is_not_part_of_its_trace()
    {
        await using var app = await TestApp.CreateAsync();
        using var spans = new Spans([.. JobsTelemetry.Sources, .. JobsTelemetry.ClientSources]);
        Activity caller;
        using (caller = Spans.Caller())
        {
            var host = await app.StartAsync(app.Build(b => b.AddScheduler()));
            var started = spans.Ended.Count;
            await host.Services.GetRequiredService<IJobClient>().EnqueueAsync(new Work());
            var send = await spans.OneAsync("send default");
            Assert.Equal(caller.TraceId, send.TraceId);

            // A lone enqueue's statement is a child of its span; the ticket, and all the looks of the scheduler and heartbeats after the start, are not.
            await app.SeeAsync(() => spans.Ended.Any(s => s.Source.Name == "RabbitMQ.Client.Publisher"), "the ticket is published");
            await app.SeeAsync(() => spans.Ended.Skip(started).Count(s => s.Source.Name == "Npgsql") > 15, "statements behind its back");
            var inTrace = spans.Ended.Where(s => s.TraceId == caller.TraceId && s != send && s.StartTimeUtc >= send.StartTimeUtc).ToList();
            Assert.NotEmpty(inTrace);
            Assert.All(inTrace, s => Assert.Equal("Npgsql", s.Source.Name)); // its statement, and the connection if it had to be opened
            Assert.All(inTrace, s => Assert.Contains(s.ParentSpanId, inTrace.Select(i => i.SpanId).Append(send.SpanId)));
        }
    }

    [Fact]
    public async Task Job_that_a_context_saves_is_linked_to_the_span_in_which_it_was_added()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        await using var shop = await ShopHost.StartAsync(app);
        using var spans = new Spans(JobsTelemetry.Sources);
        var db = shop.Context();
        using (Spans.Caller())
        {
            db.Jobs().Enqueue(new Work(1));
        }

        var none = db.Jobs().Enqueue(new Work(2));
        await db.SaveChangesAsync();
        var attempts = await spans.ManyAsync("process default", 2);
        var request = await spans.OneAsync("request");
        Assert.Equal((request.TraceId, request.SpanId), Link(Assert.Single(attempts, a => a.Links.Any())));
        Assert.Null((await app.GetAsync(none)).Trace);
    }

    [Fact]
    public async Task Plain_sql_carries_a_trace_that_is_recorded_and_leaves_out_any_other_text()
    {
        const string Id = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";
        await using var app = await TestApp.CreateAsync();
        foreach (var (text, kept) in new (string, bool)[]
        {
            (Id + "01", true), (Id + "03", true), (Id + "00", false), (Id + "02", false), (Id + "01-more", false), ("ff" + Id[2..] + "01", false), (Id.ToUpperInvariant() + "01", false), ("", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false), ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false), ("not a trace", false),
        })
        {
            var function = await app.ScalarAsync<Guid>("select jobs.enqueue('test.work', '{}', trace => $1)", text);
            var outbox = await app.ScalarAsync<Guid>("insert into jobs.outbox (type, args, trace) values ('test.work', '{}', $1) returning id", text);
            Assert.Equal(kept ? text : null, (await app.GetAsync(new(function))).Trace);
            Assert.Equal(kept ? text : null, (await app.GetAsync(new(outbox))).Trace);
        }

        Assert.Null((await app.GetAsync(new(await app.ScalarAsync<Guid>("select jobs.enqueue('test.work', '{}')")))).Trace);
    }

    [Fact]
    public async Task Callbacks_of_a_batch_are_linked_to_the_span_in_which_it_was_created()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync((job, _, _) => Task.FromResult(job.Number == 1 ? JobOutcome.FailNow("no") : JobOutcome.Succeeded));
        using var spans = new Spans(JobsTelemetry.Sources);
        JobId batch;
        using (Spans.Caller())
        {
            batch = await app.Jobs.CreateBatchAsync(new() { OnFailure = new Work(2), OnCompletion = new Work(3) });
        }

        await app.Jobs.EnqueueAsync(new Work(1), new() { Batch = batch });
        await app.Jobs.SealBatchAsync(batch);
        await spans.ManyAsync("process default", 3);
        var request = await spans.OneAsync("request");
        Assert.Equal(2, spans.Of("process default").Count(a => Link(a) == (request.TraceId, request.SpanId)));
    }

    private static (ActivityTraceId Trace, ActivitySpanId Span) Link(Activity span) => Assert.Single(span.Links).Context is var c ? (c.TraceId, c.SpanId) : default;

    private static Dictionary<string, object?> Tags(Activity span) => span.TagObjects.ToDictionary(t => t.Key, t => t.Value);
}
