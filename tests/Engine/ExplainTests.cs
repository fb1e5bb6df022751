using Jobs.Postgres;

namespace Jobs.Tests.Engine;

/// <summary>Every reason why a job is where it is: brought about, said, and taken away again.</summary>
public sealed class ExplainTests
{
    private readonly Guid _session = Guid.NewGuid();

    [Fact]
    public async Task Job_that_is_not_there_is_not_found_until_its_transaction_has_been_committed()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), transaction);
        Assert.Equal(["not-found"], await CodesAsync(app, id));
        await transaction.CommitAsync();
        Assert.Equal(["pending"], await CodesAsync(app, id));
        await app.Jobs.DispatchAsync([id]);
        Assert.DoesNotContain("pending", await CodesAsync(app, id));
    }

    [Fact]
    public async Task Missing_scheduler_and_missing_leader_are_said_wherever_they_matter()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var pending = await app.Jobs.EnqueueAsync(new Work(), transaction);
        await transaction.CommitAsync();
        var scheduled = await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        var queued = await app.Jobs.EnqueueAsync(new Work());
        await app.ProcessAsync("scheduler", silentSeconds: 3600);
        Assert.Equal("no-scheduler", (await CodesAsync(app, pending))[0]);
        Assert.Equal(["delayed", "no-scheduler"], await CodesAsync(app, scheduled));
        Assert.Equal(["no-worker", "no-scheduler"], await CodesAsync(app, queued));

        await app.ProcessAsync("scheduler");
        Assert.Equal(["no-leader", "pending"], await CodesAsync(app, pending));
        Assert.Equal(["delayed", "no-leader"], await CodesAsync(app, scheduled));
        Assert.Equal(["no-worker", "no-leader"], await CodesAsync(app, queued));

        await app.LeaderRowAsync();
        Assert.Equal(["pending"], await CodesAsync(app, pending));
        Assert.Equal(["delayed"], await CodesAsync(app, scheduled));
        Assert.Equal(["no-worker"], await CodesAsync(app, queued));
    }

    [Fact]
    public async Task Delayed_job_is_due_later_then_now_then_queued()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        var delayed = Assert.Single(await app.Operator.ExplainAsync(id));
        Assert.Equal(("delayed", (await app.GetAsync(id)).DueAt), (delayed.Code, delayed.Until));
        Assert.StartsWith("It was enqueued to be due in 60 min", delayed.Text, StringComparison.Ordinal);
        await app.MakeDueAsync(id);
        Assert.Equal(["due"], await CodesAsync(app, id));
        await app.Repair.PromoteIfDueAsync(1, default);
        Assert.Equal(["no-worker"], await CodesAsync(app, id));
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("retry", "Attempt 1 failed with System.FormatException: not a number. It is tried again in ")]
    [InlineData("snoozed", "Attempt 1 snoozed: its handler wants it to run again in ")]
    [InlineData("rescued", "The worker of attempt 1 died under it, and not for the first time")]
    [InlineData("unhandled", "Its ticket has reached only workers that have no handler for \"test.work\".")]
    [InlineData("delayed", "Its time was set by ops@host: not before night: it is due in ")]
    [InlineData("delayed", "It is a new life of job 0192d9a0-0000-7000-8000-000000000001, given by ops@host, and due in ")]
    public async Task Job_that_is_to_run_again_says_why_and_when(string code, string text)
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        switch (code)
        {
            case "retry":
                await app.ClaimAsync(_session, id);
                await app.Store.DeferIfRunningAsync(_session, [new DeferredAttempt(id, 1, TimeSpan.FromHours(1), """{"type": "System.FormatException", "message": "not a number"}""")], default);
                break;
            case "snoozed":
                await app.ClaimAsync(_session, id);
                await app.Store.DeferIfRunningAsync(_session, [new DeferredAttempt(id, 1, TimeSpan.FromHours(1), null)], default);
                break;
            case "rescued":
                var other = await app.Jobs.EnqueueAsync(new Work());
                await app.ClaimAsync(_session, id);
                await app.ClaimAsync(_session, other);
                await app.SqlAsync("update jobs.job set crashes = 2");
                await app.Repair.RescueIfOrphanedAsync(10, 3, default);
                await app.SqlAsync("update jobs.job set due_at = now() + interval '1 hour'");
                break;
            case "unhandled":
                await app.Store.ReleaseIfUnhandledAsync([id.Value], [1], "default", ["test.other"], default);
                break;
            default:
                await app.SqlAsync("""
                    update jobs.job set state = 'scheduled', ticket_at = null, due_at = now() + interval '1 hour', events = jsonb_build_array(case when $1
                      then jsonb_build_object('at', now(), 'what', 'retryNow', 'by', 'ops@host', 'from', '0192d9a0-0000-7000-8000-000000000001')
                      else jsonb_build_object('at', now(), 'what', 'time', 'by', 'ops@host', 'reason', 'not before night') end)
                    """, text.StartsWith("It is", StringComparison.Ordinal));
                break;
        }

        var reason = Assert.Single(await app.Operator.ExplainAsync(id));
        Assert.Equal((code, (await app.GetAsync(id)).DueAt), (reason.Code, reason.Until));
        Assert.StartsWith(text, reason.Text, StringComparison.Ordinal);
        await app.MakeDueAsync(id);
        await app.Repair.PromoteIfDueAsync(10, default);
        Assert.Equal(["no-worker"], await CodesAsync(app, id));
    }

    [Fact]
    public async Task Deadline_is_said_and_that_it_has_passed()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Expires = TimeSpan.FromHours(1) });
        var (before, plain) = (await app.Operator.ExplainAsync(id), await app.Operator.ExplainAsync(await app.Jobs.EnqueueAsync(new Work())));
        Assert.Equal(["no-worker", "expires"], before.Select(r => r.Code));
        Assert.StartsWith("If it has not started in 60 min", before[1].Text, StringComparison.Ordinal);
        Assert.DoesNotContain(plain, r => r.Code == "expires");
        await app.SqlAsync("update jobs.job set expires_at = now() - interval '1 second' where id = $1", id.Value);
        Assert.Contains(await app.Operator.ExplainAsync(id), r => r.Code == "expires" && r.Text.StartsWith("It is no longer worth starting", StringComparison.Ordinal));
        await app.Repair.ExpireIfWaitingAsync(10, default);
        Assert.Equal(["expired"], await CodesAsync(app, id));
    }

    [Fact]
    public async Task Blocked_job_names_whom_it_waits_for_and_who_holds_it()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        await app.WorkerRowAsync();
        var (first, second) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Other(2)));
        var child = await app.Jobs.EnqueueAsync(new Work(3), new() { After = [new After(first), new After(second, Otherwise.Hold)] });
        var waits = Assert.Single(await app.Operator.ExplainAsync(child));
        Assert.Equal(("waits-for", $"It waits for the end of job {first} (test.work, queued), job {second} (test.other, queued)."), (waits.Code, waits.Text));

        await app.ClaimAsync(_session, first);
        await app.SucceedAsync(_session, first, attempt: 1);
        await app.ClaimAsync(_session, second);
        await app.EndAsync(_session, second, attempt: 1);
        Assert.EndsWith("They have ended; it is told of that within about a second, if a scheduler is alive.", Assert.Single(await app.Operator.ExplainAsync(child)).Text, StringComparison.Ordinal);
        await app.ReleaseAsync(first, second);
        var held = Assert.Single(await app.Operator.ExplainAsync(child));
        Assert.Equal("held", held.Code);
        Assert.StartsWith($"It is held: job {second} failed without success", held.Text, StringComparison.Ordinal);

        await app.SqlAsync("with e as (delete from jobs.edge) update jobs.job set waits = null, state = 'queued', ticket_at = now() where id = $1", child.Value);
        Assert.Equal(["ticket"], await CodesAsync(app, child));
    }

    [Fact]
    public async Task Paused_queue_says_by_whom_and_until_when()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        await app.WorkerRowAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.SqlAsync("""
            insert into jobs.queue (name, paused_at, paused_by, pause_reason, paused_until)
            values ('default', now() - interval '5 minutes', 'ops@host', 'mail is down', now() + interval '1 hour')
            """);
        var paused = Assert.Single(await app.Operator.ExplainAsync(id));
        Assert.Equal("queue-paused", paused.Code);
        Assert.StartsWith("Queue \"default\" was paused 5 min ago by ops@host: mail is down; it goes on in 60 min", paused.Text, StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromMinutes(65), paused.Until - paused.Since);

        await app.SqlAsync("update jobs.queue set paused_until = null");
        Assert.EndsWith("it goes on when it is resumed.", Assert.Single(await app.Operator.ExplainAsync(id)).Text, StringComparison.Ordinal);
        await app.SqlAsync("update jobs.queue set paused_until = now() - interval '1 second'");
        Assert.Equal(["ticket"], await CodesAsync(app, id));
        await app.SqlAsync("update jobs.queue set paused_until = null, paused_at = null");
        Assert.Equal(["ticket"], await CodesAsync(app, id));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Queue_without_a_live_worker_names_the_last_that_served_it()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        await app.WorkerRowAsync(queue: "other");
        var id = await app.Jobs.EnqueueAsync(new Work());
        Assert.Contains("None has served it in the last 90 days.", await TextAsync(app, id, "no-worker"), StringComparison.Ordinal);

        var worker = await app.StartAsync(app.Build(b => b.AddWorker(w => w.Queue("default", 1).Handle<Other, Idle>())));
        Assert.DoesNotContain("no-worker", await CodesAsync(app, id));
        await app.StopAsync(worker);
        await app.SqlAsync("update jobs.job set state = 'queued', ticket_at = now(), due_at = null"); // that worker had no handler for it
        var text = await TextAsync(app, id, "no-worker");
        Assert.Contains($"The last that has served it, {Environment.MachineName}/tests, process {Environment.ProcessId}, stopped ", text, StringComparison.Ordinal);

        await app.ProcessAsync("worker", """{"default": 4}""", silentSeconds: 600, host: "silent/tests");
        Assert.Contains("silent/tests, process 7 has not been heard of for 10 min.", await TextAsync(app, id, "no-worker"), StringComparison.Ordinal);
        var worker2 = await app.WorkerRowAsync();
        Assert.Equal(["ticket"], await CodesAsync(app, id));
        await app.SqlAsync("delete from jobs.session where host = 'silent/tests'");
        await app.SqlAsync("update jobs.session set drain_at = now() where id = $1", worker2);
        Assert.Contains("scene/tests, process 7 does, but is being drained", await TextAsync(app, id, "no-worker"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Type_without_a_live_handler_names_the_last_that_had_one()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        await app.WorkerRowAsync(4, "default", "test.other");
        var id = await app.Jobs.EnqueueAsync(new Work());
        Assert.Contains("1 live worker of queue \"default\", and none has a handler for \"test.work\". None had one in the last 90 days.", await TextAsync(app, id, "no-handler"), StringComparison.Ordinal);
        await app.SqlAsync("""
            insert into jobs.past_session (id, host, process_id, roles, queues, types, started_at, ended_at, ending, refused)
            select gen_random_uuid(), host, 9, '{worker}', '{"default": 4}', types, now() - interval '1 day', ended_at, ending, 0 from (values
              ('knew/tests', array['test.work'], now() - interval '3 hours', 'lost'), ('knew-not/tests', array['test.other'], now() - interval '2 hours', 'closed'),
              ('knew-before/tests', array['test.work'], now() - interval '4 hours', 'closed')) v (host, types, ended_at, ending)
            """);
        Assert.Contains("The last that had one, knew/tests, process 9, died 3 h ago.", (await TextAsync(app, id, "no-handler")).Replace("180 min", "3 h", StringComparison.Ordinal), StringComparison.Ordinal);
        await app.WorkerRowAsync(4, "default", "test.work");
        Assert.Equal(["ticket"], await CodesAsync(app, id));
    }

    [Fact]
    public async Task Jobs_ahead_are_counted_and_the_pace_of_the_queue_says_how_long_that_takes()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        await app.WorkerRowAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 4).Select(n => new Work(n)), w => new() { Priority = w.Number == 0 ? JobPriority.Low : JobPriority.Normal });
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 7).Select(n => new Work(n)), w => new() { Priority = w.Number < 2 ? JobPriority.High : JobPriority.Normal });
        Assert.Equal("5 jobs are ahead of it, 2 of them of a higher priority, and queue \"default\" has ended none in the last 10 minutes.", await TextAsync(app, id, "jobs-ahead"));

        await app.SqlAsync("""
            insert into jobs.throughput (queue, state, at, n, wait_seconds, run_seconds)
            select q, s::jobs.state, date_bin('10 seconds', now() - interval '5 minutes', timestamptz 'epoch'), n, 0, 0 from (values ('default', 'succeeded', 3), ('default', 'failed', 2), ('other', 'failed', 9)) v (q, s, n)
            """);
        Assert.EndsWith("and queue \"default\" ends 5 in 10 minutes: about 10 min at that pace.", await TextAsync(app, id, "jobs-ahead"), StringComparison.Ordinal);
        await app.SqlAsync("update jobs.throughput set at = date_bin('10 seconds', now() - interval '30 seconds', timestamptz 'epoch')");
        var ahead = (await app.Operator.ExplainAsync(id)).Single(r => r.Code == "jobs-ahead");
        Assert.EndsWith("and queue \"default\" ends 5 a minute: about 60 s at that pace.", ahead.Text, StringComparison.Ordinal);
        Assert.NotNull(ahead.Until);

        await app.SqlAsync("delete from jobs.job where id < $1", id.Value);
        Assert.StartsWith("2 jobs are ahead of it, all of a higher priority", await TextAsync(app, id, "jobs-ahead"), StringComparison.Ordinal);
        await app.SqlAsync("delete from jobs.job where priority = 24");
        Assert.Equal(["ticket"], await CodesAsync(app, id));
    }

    [Fact]
    public async Task Taken_slots_name_the_job_that_runs_longest()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        var worker = await app.WorkerRowAsync(slots: 2);
        var running = new[] { await app.Jobs.EnqueueAsync(new Work()), await app.Jobs.EnqueueAsync(new Work()) };
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(worker, running[1]);
        Assert.DoesNotContain("slots-busy", await CodesAsync(app, id));
        await app.ClaimAsync(worker, running[0]);
        await app.SqlAsync("update jobs.job set started_at = now() - interval '12 minutes' where id = $1", running[1].Value);
        Assert.Equal($"All 2 slots of queue \"default\" on 1 live worker are taken; longest by job {running[1]}, for 12 min.", await TextAsync(app, id, "slots-busy"));
        Assert.Equal(["slots-busy"], await CodesAsync(app, id));
        await app.SucceedAsync(worker, running[0], attempt: 1);
        Assert.Equal(["ticket"], await CodesAsync(app, id));
    }

    [Fact]
    public async Task Ticket_that_may_be_lost_is_sent_again_within_seconds_that_its_marker_tells()
    {
        await using var app = await TestApp.CreateAsync();
        await app.LeaderRowAsync();
        var worker = await app.WorkerRowAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.SqlAsync("update jobs.job set ticket_at = now() + interval '10 minutes'"); // that is not the past, however long this test takes
        Assert.Contains("is on its way to a worker", await TextAsync(app, id, "ticket"), StringComparison.Ordinal);

        await app.SqlAsync("update jobs.job set ticket_at = now() - interval '20 minutes'");
        Assert.Contains("no worker has used it: a marker is sent after it. If it was lost, it is sent again within 8 s.", await TextAsync(app, id, "ticket"), StringComparison.Ordinal);
        await app.SqlAsync("insert into jobs.queue (name, marker_at) values ('default', now() + interval '10 minutes')");
        Assert.Contains("a marker that was sent after it is on its way", await TextAsync(app, id, "ticket"), StringComparison.Ordinal);
        await app.SqlAsync("update jobs.queue set marker_at = now() - interval '10 minutes', swept_to = now() - interval '15 minutes', swept_at = now() - interval '10 minutes'");
        Assert.Contains("a marker that was sent after it has come back, so it is lost, or a busy worker holds it. If it was lost, it is sent again within 1 s.",
            await TextAsync(app, id, "ticket"), StringComparison.Ordinal);
        await app.SqlAsync("update jobs.queue set swept_to = now() - interval '25 minutes', marker_at = now() - interval '25 minutes'");
        Assert.Contains(": a marker is sent after it.", await TextAsync(app, id, "ticket"), StringComparison.Ordinal);

        await app.ClaimAsync(worker, id);
        Assert.Equal(["running"], await CodesAsync(app, id));
    }

    [Fact]
    public async Task Running_job_says_where_whether_it_is_to_stop_and_whether_its_worker_is_gone()
    {
        await using var app = await TestApp.CreateAsync();
        var worker = await app.WorkerRowAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.ClaimAsync(worker, id);
        await app.SqlAsync("update jobs.job set started_at = now() - interval '12 minutes'");
        Assert.Equal("It runs on scene/tests, process 7, attempt 1, for 12 min.", await TextAsync(app, id, "running"));
        Assert.Equal(["running"], await CodesAsync(app, id));

        await app.Store.RequestCancelIfRunningAsync([id.Value], "ops@host", "no use", default);
        Assert.Contains(" ago by ops@host: no use. Its token is cancelled; its handler has not returned yet", await TextAsync(app, id, "cancelling"), StringComparison.Ordinal);
        Assert.Equal(["cancelling", "running"], await CodesAsync(app, id));
        await app.SqlAsync("delete from jobs.cancel_request");
        Assert.Equal(["running"], await CodesAsync(app, id));

        await app.SqlAsync("update jobs.session set heartbeat_at = now() - interval '10 minutes'");
        Assert.Equal("scene/tests, process 7, which runs attempt 1, has not been heard of for 10 min. No scheduler is alive to put the job back into its queue. Start one: jobs scheduler",
            await TextAsync(app, id, "worker-gone"));
        await app.SqlAsync("delete from jobs.session");
        await app.LeaderRowAsync();
        Assert.Equal("The worker that ran attempt 1 is gone. A scheduler puts the job back into its queue within seconds of noticing.", await TextAsync(app, id, "worker-gone"));
        await app.Repair.RescueIfOrphanedAsync(1, 3, default);
        Assert.Equal(["no-worker"], await CodesAsync(app, id));
    }

    [Fact]
    public async Task Ended_job_says_how_and_why()
    {
        await using var app = await TestApp.CreateAsync();
        var ids = new Dictionary<string, JobId>(StringComparer.Ordinal);
        foreach (var code in new[] { "succeeded", "failed", "poison", "cancelled", "stopped" })
        {
            ids[code] = await app.Jobs.EnqueueAsync(new Work());
        }

        ids["parent-did-not-succeed"] = await app.Jobs.EnqueueAsync(new Work(), new() { After = [ids["failed"]] });
        foreach (var code in new[] { "succeeded", "failed", "poison", "stopped" })
        {
            Assert.Single(await app.ClaimAsync(code == "poison" ? Guid.NewGuid() : _session, ids[code]));
        }

        await app.ProcessAsync("worker");
        await app.SqlAsync("update jobs.session set id = $1", _session);
        await app.SucceedAsync(_session, ids["succeeded"], attempt: 1);
        await app.EndAsync(_session, ids["failed"], attempt: 1);
        await app.EndAsync(_session, ids["stopped"], attempt: 1, JobState.Cancelled);
        await app.SqlAsync("update jobs.job set crashes = 2 where id = $1", ids["poison"].Value);
        await app.Repair.RescueIfOrphanedAsync(10, 3, default);
        await app.ReleaseAsync(ids["failed"]);
        await app.SqlAsync("""
            with c as (delete from jobs.job where id = $1 returning *)
            insert into jobs.history (id, enqueued_at, ended_at, state, attempt, failures, crashes, priority, queue, type, args, events)
            select id, enqueued_at, now(), 'cancelled', 0, 0, 0, priority, queue, type, args, jsonb_build_array(jsonb_build_object('at', now(), 'what', 'cancelled', 'by', 'ops@host', 'reason', 'no use')) from c
            """, ids["cancelled"].Value);

        Assert.EndsWith(" ago, after 1 attempt.", await TextAsync(app, ids["succeeded"], "succeeded"), StringComparison.Ordinal);
        Assert.EndsWith(" ago, after 1 attempt: x: y", await TextAsync(app, ids["failed"], "failed"), StringComparison.Ordinal);
        Assert.Contains("as poison: The worker died while it ran this job, 3 times in all.", await TextAsync(app, ids["poison"], "poison"), StringComparison.Ordinal);
        Assert.EndsWith(" ago by ops@host: no use.", await TextAsync(app, ids["cancelled"], "cancelled"), StringComparison.Ordinal);
        Assert.EndsWith(" ago. y", await TextAsync(app, ids["stopped"], "cancelled"), StringComparison.Ordinal);
        Assert.Contains($"Job {ids["failed"]}, which it waited for, did not succeed.", await TextAsync(app, ids["parent-did-not-succeed"], "parent-did-not-succeed"), StringComparison.Ordinal);
        Assert.All(ids.Values, id => Assert.Single(app.Operator.ExplainAsync(id).Result));

        await app.SqlAsync("update jobs.history set retried_as = $2 where id = $1", ids["failed"].Value, ids["succeeded"].Value);
        Assert.Equal(["failed", "retried-as"], await CodesAsync(app, ids["failed"]));
        Assert.EndsWith($"job {ids["succeeded"]}, which is succeeded.", await TextAsync(app, ids["failed"], "retried-as"), StringComparison.Ordinal);
    }

    private static async Task<string[]> CodesAsync(TestApp app, JobId id) => [.. (await app.Operator.ExplainAsync(id)).Select(r => r.Code)];

    private static async Task<string> TextAsync(TestApp app, JobId id, string code)
    {
        var reasons = await app.Operator.ExplainAsync(id);
        return reasons.FirstOrDefault(r => r.Code == code)?.Text ?? $"No {code}, only {string.Join(", ", reasons)}";
    }

    private sealed class Idle : IJobHandler<Other>
    {
        public Task HandleAsync(Other job, JobContext context, CancellationToken ct) => Task.CompletedTask;
    }
}
