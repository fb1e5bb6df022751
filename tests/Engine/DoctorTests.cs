using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;

namespace Jobs.Tests.Engine;

/// <summary>What the doctor and the audit find: each brought about, seen in the verdict, and mended again.</summary>
public sealed class DoctorTests
{
    [Fact]
    public async Task Healthy_installation_is_ok_in_every_point()
    {
        await using var app = await TestApp.CreateAsync();
        await LeadAsync(app);
        await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        await LookAsync(app);
        var diagnosis = await app.Operator.DoctorAsync();
        Assert.DoesNotContain(diagnosis.Checks, c => c.Verdict != Health.Ok || c.Remedy is not null);
        Assert.Equal(Health.Ok, diagnosis.Verdict);
        Assert.Equal(
            ["postgres", "clock", "schema", "rabbitmq", "schedulers", "leader", "heartbeats", "abandoned", "audit", "queued-stuck", "due-stuck", "blocked-stuck", "running-stuck", "limited-stuck", "slots-stuck", "limits-closed", "limits-paused", "limited-long",
                "transactions-in-doubt", "transactions-parked", "transactions-overdue", "transactions-untold", "transactions-unfinished", "tickets-resent", "outcomes-refused", "poison", "occurrences-doubled", "partitions-missing", "transaction-watch", "coordinators", "consumers", "malformed"],
            diagnosis.Checks.Select(c => c.Name));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Leading_scheduler_audits_by_itself_and_believes_what_it_sees_twice()
    {
        await using var app = await TestApp.CreateAsync();
        var before = await app.Operator.DoctorAsync();
        Assert.Equal((Health.Warn, "The audit has not looked yet."), (Of(before, "audit").Verdict, Of(before, "audit").Text));
        await app.SqlAsync("insert into jobs.job (id, type, queue, priority, state, args, waits) values (gen_random_uuid(), 'test.work', 'default', 16, 'blocked', 'null', 1)");
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.Operator.DoctorAsync(), d => Of(d, "audit").Verdict == Health.Ok && Of(d, "leader").Verdict == Health.Ok, "an audit", app.Log.Tail);
        Assert.Equal(0, Of(await app.Operator.DoctorAsync(), "blocked-stuck").Value);
        await app.LoggedAsync(1570);
        Assert.Equal(Health.Bad, Of(await app.Operator.DoctorAsync(), "blocked-stuck").Verdict);
        Assert.Contains("blocked-stuck: 1 jobs", app.Log.Of(1570).First().Text, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("queued-stuck", Health.Bad, 2)]
    [InlineData("due-stuck", Health.Bad, 2)]
    [InlineData("blocked-stuck", Health.Bad, 1)]
    [InlineData("running-stuck", Health.Bad, 1)]
    [InlineData("transactions-in-doubt", Health.Warn, 1)]
    [InlineData("transactions-parked", Health.Warn, 1)]
    [InlineData("transactions-overdue", Health.Bad, 1)]
    [InlineData("transactions-untold", Health.Bad, 1)]
    [InlineData("transactions-unfinished", Health.Warn, 2)]
    [InlineData("tickets-resent", Health.Warn, 1001)]
    [InlineData("outcomes-refused", Health.Warn, 5)]
    [InlineData("poison", Health.Warn, 3)]
    [InlineData("occurrences-doubled", Health.Bad, 2)]
    [InlineData("partitions-missing", Health.Warn, 2)]
    public async Task Finding_changes_the_verdict_and_its_mending_changes_it_back(string name, Health verdict, long value)
    {
        await using var app = await TestApp.CreateAsync();
        await LeadAsync(app);
        await app.WorkerRowAsync();
        var (bringAbout, nearMiss, mend) = Cases[name];
        await app.SqlAsync(nearMiss);
        await LookAsync(app);
        var near = Of(await app.Operator.DoctorAsync(), name);
        Assert.Equal((Health.Ok, name == "tickets-resent" ? 1000 : 0L), (near.Verdict, near.Value!.Value));

        await app.SqlAsync(bringAbout);
        await LookAsync(app);
        var diagnosis = await app.Operator.DoctorAsync();
        var found = Of(diagnosis, name);
        Assert.Equal((verdict, value), (found.Verdict, found.Value!.Value));
        Assert.NotNull(found.Oldest);
        Assert.NotNull(found.Remedy);
        Assert.Equal(name.StartsWith("transactions", StringComparison.Ordinal) ? Health.Bad : verdict, diagnosis.Verdict); // they also miss their coordinator
        Assert.Equal([name], diagnosis.Checks.Where(c => c.Verdict != Health.Ok).Select(c => c.Name).Except(["consumers", "transaction-watch", "coordinators"]));

        await app.SqlAsync(mend);
        await LookAsync(app);
        Assert.Equal(Health.Ok, Of(await app.Operator.DoctorAsync(), name).Verdict);
    }

    private static readonly Dictionary<string, (string BringAbout, string NearMiss, string Mend)> Cases = new(StringComparer.Ordinal)
    {
        ["queued-stuck"] = ( // behind a marker that came back long ago; in a queue that nobody sends markers to
            """
            insert into jobs.job (id, type, queue, priority, state, args, ticket_at) select gen_random_uuid(), 'test.work', q, 16, 'queued', 'null', now() - interval '10 minutes' from unnest(array['swept', 'silent']) q;
            insert into jobs.queue (name, marker_at, swept_to, swept_at) values ('swept', now(), now() - interval '5 minutes', now() - interval '2 minutes')
            """,
            """
            insert into jobs.job (id, type, queue, priority, state, args, ticket_at)
            select gen_random_uuid(), 'test.work', q, 16, 'queued', 'null', now() - interval '10 minutes' from unnest(array['paused', 'waits', 'young-marker', 'returned']) q;
            insert into jobs.queue (name, marker_at, swept_to, swept_at, paused_at) values
              ('paused', now() - interval '9 minutes', null, null, now()), ('waits', now() - interval '1 minute', now() - interval '20 minutes', now() - interval '2 minutes', null),
              ('young-marker', now() - interval '1 minute', null, null, null), ('returned', now() - interval '1 minute', now() - interval '1 minute', now() - interval '2 seconds', null)
            """,
            "delete from jobs.job where queue in ('swept', 'silent')"),
        ["due-stuck"] = (
            "insert into jobs.job (id, type, queue, priority, state, args, due_at) select gen_random_uuid(), 'test.work', 'default', 16, s::jobs.state, 'null', now() - interval '2 minutes' from unnest(array['pending', 'scheduled']) s",
            "insert into jobs.job (id, type, queue, priority, state, args, due_at, waits) select gen_random_uuid(), 'test.work', 'default', 16, s::jobs.state, 'null', now() - d, null from (values ('scheduled', interval '30 seconds'), ('blocked', interval '1 hour')) v (s, d)",
            "update jobs.job set due_at = now() + interval '1 hour' where state <> 'blocked'"),
        ["blocked-stuck"] = (
            "insert into jobs.job (id, type, queue, priority, state, args, waits) values (gen_random_uuid(), 'test.work', 'default', 16, 'blocked', 'null', 1)",
            """
            insert into jobs.job (id, type, queue, priority, state, args, waits) values ('0192d9a0-0000-7000-8000-000000000001', 'test.work', 'default', 16, 'blocked', 'null', 1);
            insert into jobs.edge (child, parent, effect) values ('0192d9a0-0000-7000-8000-000000000001', gen_random_uuid(), 'cancel')
            """,
            "insert into jobs.edge (child, parent, effect) select id, gen_random_uuid(), 'run' from jobs.job where id <> '0192d9a0-0000-7000-8000-000000000001'"),
        ["running-stuck"] = (
            "insert into jobs.job (id, type, queue, priority, state, args, session, started_at) values (gen_random_uuid(), 'test.work', 'default', 16, 'running', 'null', gen_random_uuid(), now() - interval '2 minutes')",
            """
            insert into jobs.past_session (id, host, process_id, roles, queues, types, started_at, ended_at, ending, refused)
              values ('0192d9a0-0000-7000-8000-000000000002', 'h', 1, '{}', '{}', '{}', now() - interval '1 hour', now() - interval '30 seconds', 'lost', 0);
            insert into jobs.job (id, type, queue, priority, state, args, session, started_at) select gen_random_uuid(), 'test.work', 'default', 16, 'running', 'null', s, now() - ago from (values
              ('0192d9a0-0000-7000-8000-000000000002'::uuid, interval '1 hour'), (gen_random_uuid(), interval '30 seconds'), ((select id from jobs.session limit 1), interval '1 hour')) v (s, ago)
            """,
            "update jobs.job set session = (select id from jobs.session limit 1)"),
        ["tickets-resent"] = (
            "insert into jobs.tally (what, at, n) values ('ticketsResent', now(), 1)",
            "insert into jobs.tally (what, at, n) values ('ticketsResent', now() - interval '59 minutes', 1000), ('ticketsResent', now() - interval '61 minutes', 9999)",
            "update jobs.tally set at = at - interval '2 hours'"),
        ["outcomes-refused"] = (
            """
            insert into jobs.past_session (id, host, process_id, roles, queues, types, started_at, ended_at, ending, refused, refused_at)
              values (gen_random_uuid(), 'h', 1, '{}', '{}', '{}', now() - interval '1 hour', now(), 'closed', 2, now());
            update jobs.session set refused = 3, refused_at = now() where 'worker' = any(roles)
            """,
            """
            insert into jobs.past_session (id, host, process_id, roles, queues, types, started_at, ended_at, ending, refused, refused_at)
              values (gen_random_uuid(), 'h', 1, '{}', '{}', '{}', now() - interval '9 days', now(), 'closed', 2, now() - interval '25 hours')
            """,
            "update jobs.session set refused_at = now() - interval '25 hours'; update jobs.past_session set refused_at = now() - interval '25 hours'"),
        ["poison"] = (
            "insert into jobs.tally (what, at, n) values ('poison', now(), 1), ('poison', now() - interval '23 hours', 2)",
            "insert into jobs.tally (what, at, n) values ('poison', now() - interval '25 hours', 1), ('ticketsResent', now(), 1)",
            "delete from jobs.tally where at > now() - interval '24 hours'"),
        ["occurrences-doubled"] = (
            """
            insert into jobs.occurrence (schedule, at, until, count, job, reason) values
              ('a', '2026-01-01 08:00:00Z', '2026-01-01 10:00:00Z', 3, null, 'no scheduler ran'), ('a', '2026-01-01 09:00:00Z', null, 1, gen_random_uuid(), null), ('b', '2026-01-01 08:00:00Z', '2026-01-01 10:00:00Z', 3, null, 'no scheduler ran'),
              ('b', '2026-01-01 10:00:00Z', null, 1, gen_random_uuid(), null)
            """,
            """
            insert into jobs.occurrence (schedule, at, until, count, job, reason) values
              ('c', '2026-01-01 08:00:00Z', '2026-01-01 10:00:00Z', 3, null, 'no scheduler ran'), ('c', '2026-01-01 09:00:00.5Z', null, 1, gen_random_uuid(), 'by hand'), ('c', '2026-01-01 11:00:00Z', null, 1, gen_random_uuid(), null)
            """,
            "delete from jobs.occurrence where schedule in ('a', 'b') and until is null"),
        ["transactions-in-doubt"] = (
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000001', 't', 'twoPhase', 'running', 16, now() + interval '1 hour', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000001', 1, 1, 'k', 'q', '{}', true, 'prepared', now() - interval '1 hour', now() - interval '2 minutes')
            """,
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000002', 't', 'twoPhase', 'running', 16, now() + interval '1 hour', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000002', 1, 1, 'k', 'q', '{}', true, 'prepared', now() - interval '1 hour', now() - interval '50 seconds');
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000003', 't', 'saga', 'running', 16, now() + interval '1 hour', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000003', 1, 1, 'k', 'q', '{}', true, 'prepared', now() - interval '1 hour', now() - interval '2 minutes')
            """,
            "update jobs.transaction_branch set state = 'preparing'"),
        ["transactions-parked"] = (
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000001', 't', 'saga', 'parked', 16, now() - interval '1 hour', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000001', 1, 1, 'k', 'q', '{}', true, 'parked', now() - interval '1 hour', now() - interval '2 minutes')
            """,
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000002', 't', 'saga', 'running', 16, now() + interval '1 hour', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000002', 1, 1, 'k', 'q', '{}', true, 'preparing', now() - interval '1 hour', now() - interval '2 minutes')
            """,
            "update jobs.transaction set state = 'running', deadline_at = now() + interval '1 hour'"),
        ["transactions-overdue"] = (
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000001', 't', 'saga', 'running', 16, now() - interval '2 minutes', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000001', 1, 1, 'k', 'q', '{}', true, 'preparing', now() - interval '1 hour', now() - interval '2 minutes')
            """,
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000002', 't', 'saga', 'running', 16, now() - interval '50 seconds', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000002', 1, 1, 'k', 'q', '{}', true, 'preparing', now() - interval '1 hour', now() - interval '2 minutes')
            """,
            "update jobs.transaction set deadline_at = now() + interval '1 hour'"),
        ["transactions-unfinished"] = (
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000001', 't', 'saga', 'aborting', 16, now() + interval '1 hour', now() - interval '61 minutes', null),
              ('0192d9a0-0000-7000-8000-000000000003', 't', 'twoPhase', 'committing', 16, now() + interval '1 hour', now() - interval '61 minutes', null)
            """,
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000002', 't', 'saga', 'aborting', 16, now() + interval '1 hour', now() - interval '59 minutes', null)
            """,
            "update jobs.transaction set state = 'aborted', ended_at = now()"),
        ["transactions-untold"] = (
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000001', 't', 'saga', 'running', 16, now() - interval '2 minutes', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000001', 1, 1, 'k', 'q', '{}', true, 'preparing', now() - interval '1 hour', now() - interval '2 minutes');
            insert into jobs.transaction_decision (transaction_id, decision, decided_at) values ('0192d9a0-0000-7000-8000-000000000001', 'abort', now() - interval '2 minutes')
            """,
            """
            insert into jobs.transaction (id, name, mode, state, priority, deadline_at, decided_at, ended_at) values
              ('0192d9a0-0000-7000-8000-000000000002', 't', 'saga', 'running', 16, now() - interval '2 minutes', null, null);
            insert into jobs.transaction_branch (transaction_id, number, stage, kind, queue, args, compensated, state, asked_at, voted_at)
              values ('0192d9a0-0000-7000-8000-000000000002', 1, 1, 'k', 'q', '{}', true, 'preparing', now() - interval '1 hour', now() - interval '2 minutes');
            insert into jobs.transaction_decision (transaction_id, decision, decided_at) values ('0192d9a0-0000-7000-8000-000000000002', 'abort', now() - interval '50 seconds')
            """,
            "update jobs.transaction set state = 'aborting', decided_at = now()"),
        ["partitions-missing"] = (
            """
            do $$ begin
              execute format('drop table jobs.%I', 'history_succeeded_p' || to_char((now() at time zone 'UTC')::date + 1, 'YYYYMMDD'));
              execute format('alter table jobs.history_succeeded detach partition jobs.%I', 'history_succeeded_p' || to_char((now() at time zone 'UTC')::date + 2, 'YYYYMMDD'));
              execute format('alter table jobs.%I rename to renamed', 'history_succeeded_p' || to_char((now() at time zone 'UTC')::date + 2, 'YYYYMMDD'));
            end $$
            """,
            """
            do $$ begin execute format('drop table jobs.%I', 'history_succeeded_p' || to_char((now() at time zone 'UTC')::date + 12, 'YYYYMMDD')); end $$
            """,
            "select jobs.make_partitions(interval '14 days')"),
    };

    [Fact]
    public async Task Repairs_are_counted_where_they_are_made()
    {
        await using var app = await TestApp.CreateAsync();
        var leader = await app.LeaderRowAsync();
        var (lost, poison) = (await app.Jobs.EnqueueAsync(new Work()), await app.Jobs.EnqueueAsync(new Work()));
        await app.SqlAsync("update jobs.job set ticket_at = now() - interval '1 minute' where id = $1", lost.Value);
        await app.SqlAsync("insert into jobs.queue (name, swept_to) values ('default', now())");
        Assert.Equal([lost], (await app.Repair.ResendIfLostAsync("default", 10, TimeSpan.FromSeconds(1), 1, leader, default)).Select(t => t.Id));
        await app.ClaimAsync(Guid.NewGuid(), poison);
        await app.SqlAsync("update jobs.job set crashes = 2 where id = $1", poison.Value);
        Assert.Equal(-1, Assert.Single(await app.Repair.RescueIfOrphanedAsync(10, 3, default)).Dispatch);
        var found = (await app.Audit.LookAsync(default)).ToDictionary(f => f.Name, f => f.Value);
        Assert.Equal((1, 1), (found["tickets-resent"], found["poison"]));
    }

    [Fact]
    public async Task Audit_of_a_leader_that_was_replaced_is_not_kept()
    {
        await using var app = await TestApp.CreateAsync();
        var leader = await app.LeaderRowAsync();
        var found = new[] { new Finding("poison", 7, null, null) };
        await app.Audit.PutIfLeaderAsync(found, epoch: 1, Guid.NewGuid(), default);
        await app.Audit.PutIfLeaderAsync(found, epoch: 2, leader, default);
        Assert.Empty(await app.Audit.FindingsAsync(default));
        await app.Audit.PutIfLeaderAsync(found, epoch: 1, leader, default);
        Assert.Equal(7, Assert.Single(await app.Audit.FindingsAsync(default)).Finding.Value);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Missing_scheduler_missing_leader_and_silent_process_are_seen()
    {
        await using var app = await TestApp.CreateAsync();
        await app.ProcessAsync("scheduler", silentSeconds: 60);
        var none = await app.Operator.DoctorAsync();
        Assert.Equal((Health.Bad, Health.Bad, Health.Bad), (Of(none, "schedulers").Verdict, Of(none, "leader").Verdict, Of(none, "heartbeats").Verdict));
        Assert.Equal((0L, 1L), (Of(none, "schedulers").Value, Of(none, "heartbeats").Value));
        Assert.Contains("scene/tests, process 7, for ", Of(none, "heartbeats").Text, StringComparison.Ordinal);

        await app.ProcessAsync("scheduler");
        await app.ProcessAsync("worker", silentSeconds: 10);
        await app.SqlAsync("delete from jobs.session where heartbeat_at < now() - interval '50 seconds'");
        var one = await app.Operator.DoctorAsync();
        Assert.Equal((Health.Ok, Health.Bad), (Of(one, "schedulers").Verdict, Of(one, "leader").Verdict));
        await LeadAsync(app);
        Assert.Equal(Health.Ok, Of(await app.Operator.DoctorAsync(), "leader").Verdict);
        await app.SqlAsync("update jobs.leader set until = now() - interval '1 minute'");
        Assert.StartsWith("Nobody leads; the last leader's time ran out 60 s ago", Of(await app.Operator.DoctorAsync(), "leader").Text, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Old_audit_and_abandoned_handlers_are_seen()
    {
        await using var app = await TestApp.CreateAsync();
        await LeadAsync(app);
        await LookAsync(app);
        await app.SqlAsync("update jobs.finding set at = now() - interval '11 minutes'; update jobs.session set abandoned = 2");
        var diagnosis = await app.Operator.DoctorAsync();
        Assert.Equal(["abandoned", "audit"], diagnosis.Checks.Where(c => c.Verdict == Health.Warn).Select(c => c.Name));
        Assert.Equal(2, Of(diagnosis, "abandoned").Value);
        await LookAsync(app);
        await app.SqlAsync("update jobs.session set abandoned = 0");
        Assert.Equal(Health.Ok, (await app.Operator.DoctorAsync()).Verdict);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Queue_with_tickets_and_no_consumer_and_malformed_messages_are_seen()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync([new Work(1), new Work(2)]);
        await app.WaitForTicketsAsync("default", 2);
        var unserved = Of(await app.Operator.DoctorAsync(), "consumers");
        Assert.Equal((Health.Warn, 2L, "Queues with tickets and no consumer: default (2)."), (unserved.Verdict, unserved.Value, unserved.Text));
        await app.SqlAsync("insert into jobs.queue (name, paused_at) values ('default', now())");
        Assert.Equal(Health.Ok, Of(await app.Operator.DoctorAsync(), "consumers").Verdict);
        await app.SqlAsync("update jobs.queue set paused_at = null");
        await app.OnConfirmingBrokerAsync(async channel =>
        {
            await channel.BasicPublishAsync("", app.QueueName("default"), mandatory: true, "no ticket"u8.ToArray());
            return true;
        });
        await app.WorkerAsync(Runs.Done);
        await Eventually.SeeAsync(() => app.Operator.DoctorAsync(), d => Of(d, "malformed").Value == 1 && Of(d, "consumers").Verdict == Health.Ok, "it was set aside", app.Log.Tail);
        Assert.Equal(Health.Warn, Of(await app.Operator.DoctorAsync(), "malformed").Verdict);
    }

    [Fact]
    public async Task Clocks_that_disagree_are_seen()
    {
        await using var app = await TestApp.CreateAsync();
        using var ahead = app.Build(_ => { }, services: s => s.AddSingleton<TimeProvider>(new Shifted(TimeSpan.FromMinutes(3))));
        var clock = Of(await ahead.Services.GetRequiredService<IJobOperator>().DoctorAsync(), "clock");
        Assert.Equal((Health.Warn, -180L), (clock.Verdict, clock.Value));
        Assert.StartsWith("The database's clock is 3 min behind this machine's.", clock.Text.Replace("180 s", "3 min", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Schema_of_another_version_and_none_at_all_are_seen()
    {
        await using var app = await TestApp.CreateAsync(migrate: false);
        var none = Of(await app.Operator.DoctorAsync(), "schema");
        Assert.Equal((Health.Bad, "The schema is not there."), (none.Verdict, none.Text));
        await using var migrated = await TestApp.CreateAsync();
        var version = await migrated.ScalarAsync<int>("select max(version) from jobs.migration");
        await migrated.SqlAsync("insert into jobs.migration (version, name) values ($1, 'future')", version + 1);
        Assert.Equal($"The schema is at version {version + 1}; this program knows {version}.", Of(await migrated.Operator.DoctorAsync(), "schema").Text);
        await migrated.SqlAsync("delete from jobs.migration where version >= $1", version);
        Assert.Equal($"The schema is at version {version - 1}; this program needs {version}.", Of(await migrated.Operator.DoctorAsync(), "schema").Text);
        Assert.Equal(version - 1, await migrated.ScalarAsync<int>("select max(version) from jobs.migration"));
    }

    [Fact]
    public async Task Server_that_does_not_answer_is_a_finding()
    {
        await using var app = await TestApp.CreateAsync();
        using var noDatabase = app.Build(_ => { }, o => o.Postgres = "Host=127.0.0.1;Port=1;Username=x;Database=x");
        var first = await noDatabase.Services.GetRequiredService<IJobOperator>().DoctorAsync();
        Assert.Equal([("postgres", Health.Bad), ("rabbitmq", Health.Ok)], first.Checks.Select(c => (c.Name, c.Verdict)));
        using var noBroker = app.Build(_ => { }, o => o.RabbitMq = "amqp://127.0.0.1:1/");
        var second = await noBroker.Services.GetRequiredService<IJobOperator>().DoctorAsync();
        Assert.Equal((Health.Ok, Health.Bad), (Of(second, "postgres").Verdict, Of(second, "rabbitmq").Verdict));
        Assert.Contains(second.Checks, c => c.Name == "poison");
        Assert.DoesNotContain(second.Checks, c => c.Name == "consumers");
    }

    private static Checkup Of(Diagnosis diagnosis, string name) =>
        diagnosis.Checks.SingleOrDefault(c => c.Name == name) ?? throw new InvalidOperationException($"No {name} in: {string.Join(", ", diagnosis.Checks)}");

    /// <summary>A scheduler leads, and has done what a leader does first.</summary>
    private static async Task LeadAsync(TestApp app)
    {
        await app.LeaderRowAsync();
        await app.SqlAsync("select jobs.make_partitions(interval '14 days')");
    }

    /// <summary>One look of the audit, as the leader takes it.</summary>
    private static async Task LookAsync(TestApp app) => await app.Audit.PutIfLeaderAsync(
        await app.Audit.LookAsync(default), epoch: 1, await app.ScalarAsync<Guid>("select session from jobs.leader"), default);

    private sealed class Shifted(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + by;
    }
}
