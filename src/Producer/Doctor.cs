using System.Globalization;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Options;

namespace Jobs.Producer;

/// <summary>Examines an installation: looks at both servers and at who is there, and judges what the audit has found. Changes nothing.</summary>
internal sealed class Doctor(AuditStore audit, QueryStore query, BrokerProbe broker, IOptions<JobsOptions> options, TimeProvider time)
{
    private const int OldestPostgres = 140_000;
    private const int MostQueues = 500;

    /// <summary>As Transactions/Bus.cs names it.</summary>
    private const string CoordinatorQueue = "_coordinator";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Only times that people read, ids and periods of unique keys come from a client's clock; leases and schedules go by the database's.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(2);

    /// <summary>An audit of a table that takes seconds to read rests for a hundred times as long.</summary>
    private static readonly TimeSpan AuditStale = TimeSpan.FromMinutes(10);

    public async Task<Diagnosis> ExamineAsync(CancellationToken ct)
    {
        var found = new List<Checkup>();
        var database = await DatabaseAsync(found, ct);
        var brokerIsThere = await BrokerAsync(found, ct);
        if (database)
        {
            try
            {
                var sessions = await query.SessionsAsync(ct);
                await LeadAsync(found, sessions, ct);
                found.Add(Heartbeats(sessions));
                found.Add(Abandoned(sessions));
                await FindingsAsync(found, ct);
                await WatchersAsync(found, sessions, ct);
                if (brokerIsThere)
                {
                    await CoordinatorsAsync(found, ct);
                    await QueuesAsync(found, ct);
                }
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                found.Add(new("examination", Health.Bad, $"It broke off: {Causes(e)}.") { Remedy = "Run it again; if it breaks off again, look at the servers' logs." });
            }
        }

        return new Diagnosis(found);
    }

    /// <returns>Whether there is a schema to look at.</returns>
    private async Task<bool> DatabaseAsync(List<Checkup> found, CancellationToken ct)
    {
        try
        {
            using var deadline = Deadline(ct);
            await audit.ServerAsync(deadline.Token); // opens the connection, so that the next look is a short one
            var before = time.GetUtcNow();
            var (version, number, now) = await audit.ServerAsync(deadline.Token);
            var after = time.GetUtcNow();
            found.Add(number >= OldestPostgres ? new("postgres", Health.Ok, $"PostgreSQL {version}")
                : new("postgres", Health.Bad, $"PostgreSQL {version} is too old.") { Remedy = "Upgrade it to 14 or newer." });
            found.Add(Clock(now < before ? now - before : now > after ? now - after : TimeSpan.Zero));
            var (version2, needed) = await audit.SchemaAsync(deadline.Token);
            found.Add(Schema(version2, needed));
            return version2 == needed;
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            found.Add(new("postgres", Health.Bad, $"PostgreSQL does not answer: {Causes(e)}.") { Remedy = "Start it, or correct the connection string. Jobs that run go on; none is enqueued, started or recorded meanwhile." });
            return false;
        }
    }

    private async Task<bool> BrokerAsync(List<Checkup> found, CancellationToken ct)
    {
        try
        {
            using var deadline = Deadline(ct);
            found.Add(new("rabbitmq", Health.Ok, $"RabbitMQ {await broker.VersionAsync(deadline.Token)}"));
            return true;
        }
        catch (JobsException e)
        {
            found.Add(new("rabbitmq", Health.Bad, e.Message) { Remedy = "Upgrade it to 4.3 or newer." });
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            found.Add(new("rabbitmq", Health.Bad, $"RabbitMQ does not answer: {Causes(e)}.") { Remedy = "Start it, or correct its URI. No job is lost; none is started until it is back." });
        }

        return false;
    }

    private async Task LeadAsync(List<Checkup> found, IReadOnlyList<SessionInfo> sessions, CancellationToken ct)
    {
        var alive = sessions.Count(s => s.Roles.Contains("scheduler") && s.HeartbeatAge <= options.Value.SessionTtl);
        found.Add(alive switch
        {
            0 => new("schedulers", Health.Bad, "No scheduler is alive: nothing that is due is queued, and nothing is mended.") { Remedy = "Start two: jobs scheduler", Value = 0 },
            1 => new("schedulers", Health.Ok, "1 scheduler is alive; with a second one there is no gap when it stops.") { Value = 1 },
            _ => new("schedulers", Health.Ok, $"{alive} schedulers are alive.") { Value = alive },
        });
        var leader = await audit.LeaderAsync(ct);
        var leads = leader is { Leads: true } l && sessions.Any(s => s.Id == l.Session);
        found.Add(leads ? new("leader", Health.Ok, $"{sessions.First(s => s.Id == leader!.Value.Session).Host} leads.")
            : new("leader", Health.Bad, leader is { } last ? $"Nobody leads; the last leader's time ran out {Phrase.Duration(last.Since)} ago or its session has ended." : "Nobody has ever led.")
            {
                Remedy = alive == 0 ? "Start a scheduler: jobs scheduler" : "One of the schedulers takes the lead within 6 s; if none does, look at their logs for events 1502 and 1503.",
            });
    }

    private Checkup Heartbeats(IReadOnlyList<SessionInfo> sessions)
    {
        var ttl = options.Value.SessionTtl;
        var late = sessions.Where(s => s.HeartbeatAge > ttl / 2).OrderByDescending(s => s.HeartbeatAge).ToList(); // three of seven missed
        return late.Count == 0 ? new("heartbeats", Health.Ok, sessions.Count == 1 ? "1 process takes part, heard of lately." : $"{sessions.Count:N0} processes take part, all heard of lately.") { Value = 0 }
            : new("heartbeats", late[0].HeartbeatAge > ttl ? Health.Bad : Health.Warn,
                $"Not heard of lately: {string.Join(", ", late.Take(5).Select(s => $"{s.Host}, process {s.ProcessId}, for {Phrase.Duration(s.HeartbeatAge)}"))}{(late.Count > 5 ? $" and {late.Count - 5} others" : "")}.")
            {
                Value = late.Count,
                Remedy = "A dead one is cleared away by a scheduler within seconds. One that lives is starved or cut off from Postgres: look at its CPU, its memory and its log (event 1202).",
            };
    }

    private static Checkup Abandoned(IReadOnlyList<SessionInfo> sessions)
    {
        var with = sessions.Where(s => s.Abandoned > 0).ToList();
        return with.Count == 0 ? new("abandoned", Health.Ok, "No handler ignores its cancelled token.") { Value = 0 }
            : new("abandoned", Health.Warn, $"{Phrase.Count(with.Sum(s => s.Abandoned), "abandoned handler")} still run on {string.Join(", ", with.Take(5).Select(s => $"{s.Host}, process {s.ProcessId}"))}.")
            {
                Value = with.Sum(s => s.Abandoned), Remedy = "Make the handlers obey their token (log event 1426 names the jobs), and restart these workers.",
            };
    }

    private async Task FindingsAsync(List<Checkup> found, CancellationToken ct)
    {
        var findings = (await audit.FindingsAsync(ct)).ToDictionary(f => f.Finding.Name, StringComparer.Ordinal);
        var (_, _, now) = await audit.ServerAsync(ct);
        DateTimeOffset? newest = findings.Count == 0 ? null : findings.Values.Max(f => f.At);
        found.Add(newest is { } at && now - at <= AuditStale ? new("audit", Health.Ok, $"The audit looked {Phrase.Duration(now - at)} ago.")
            : new("audit", Health.Warn, newest is { } old ? $"The audit has not looked for {Phrase.Duration(now - old)}; what follows may be out of date." : "The audit has not looked yet.")
            {
                Remedy = "It is made by the leading scheduler: look at its log for events 1502 and 1503.", Oldest = newest,
            });
        found.AddRange(FindingRules.All.Select(j => j.Of(findings.TryGetValue(j.Name, out var f) ? f.Finding : new Finding(j.Name, 0, null, null), now)));
    }

    /// <summary>What is prepared in participants' databases, and longer than it should be.</summary>
    public async Task<IReadOnlyList<Checkup>> PreparedAsync(IEnumerable<string> connections, TimeSpan age, CancellationToken ct)
    {
        var found = new List<Checkup>();
        foreach (var connection in connections)
        {
            try
            {
                using var deadline = Deadline(ct);
                var (where, old) = await audit.PreparedAsync(connection, age, deadline.Token);
                found.Add(old.Count == 0 ? new("prepared", Health.Ok, $"Nothing has been prepared for over {Phrase.Duration(age)} in {where}.") { Value = 0 }
                    : new("prepared", Health.Bad, $"{Phrase.Count(old.Count, "branch").Replace("branchs", "branches", StringComparison.Ordinal)} prepared for over {Phrase.Duration(age)} in {where}, the oldest for {Phrase.Duration(old[0].Age)}: {old[0].Gid}.")
                    {
                        Value = old.Count, Remedy = "They hold their locks. The third part of the name is the transaction: jobs transactions get ID says whom it waits for. Never end one by hand before its decision is known.",
                    });
            }
            catch (Exception e) when (!ct.IsCancellationRequested && e is not ArgumentException)
            {
                found.Add(new("prepared", Health.Bad, $"A participant's database does not answer: {Causes(e)}.") { Remedy = "Start it, or correct the connection string after --participant." });
            }
        }

        return found;
    }

    private async Task WatchersAsync(List<Checkup> found, IReadOnlyList<SessionInfo> sessions, CancellationToken ct)
    {
        var watchers = sessions.Count(s => s.HeartbeatAge <= options.Value.SessionTtl && s.Queues.GetValueOrDefault(WatchJob.Queue) > 0);
        found.Add(watchers > 0 || !await audit.HasTransactionsAsync(ct)
            ? new("transaction-watch", Health.Ok, watchers > 0 ? $"{Phrase.Count(watchers, "worker")} for {WatchJob.Queue}." : "No transaction is to be watched over.") { Value = watchers }
            : new("transaction-watch", Health.Bad, $"There are transactions, and no worker for the queue {WatchJob.Queue}: deadlines are not kept, and operators' orders not told.")
            {
                Value = 0, Remedy = $"Run a process with AddTransactions and AddWorker; where the worker names its queues, it has to name {WatchJob.Queue} too.",
            });
    }

    private async Task CoordinatorsAsync(List<Checkup> found, CancellationToken ct)
    {
        var queue = await broker.QueueAsync(CoordinatorQueue, ct);
        var needed = queue is { Ready: > 0 } || await audit.HasTransactionsAsync(ct);
        found.Add(queue is { Consumers: > 0 } || !needed
            ? new("coordinators", Health.Ok, queue is { Consumers: > 0 and var listening } ? $"{Phrase.Count(listening, "coordinator")} listening." : "No transaction needs a coordinator.") { Value = queue?.Consumers ?? 0 }
            : new("coordinators", Health.Bad, queue is { Ready: > 0 and var ready } ? $"No coordinator listens, and {Phrase.Count(ready, "message")} wait for one: no transaction is decided." : "No coordinator listens: no transaction is decided.")
            {
                Value = 0, Remedy = "Run a process with AddTransactions(t => t.Coordinator()); two, so that one may fail. If one runs, it cannot reach the broker: look at its log for event 2104.",
            });
    }

    private async Task QueuesAsync(List<Checkup> found, CancellationToken ct)
    {
        var unserved = new List<string>();
        var ready = 0L;
        foreach (var (name, pausedAt) in await audit.QueuesAsync(MostQueues, ct))
        {
            if (pausedAt is null && await broker.QueueAsync(name, ct) is { Ready: > 0, Consumers: 0 } queue)
            {
                unserved.Add($"{name} ({queue.Ready:N0})");
                ready += queue.Ready;
            }
        }

        found.Add(unserved.Count == 0 ? new("consumers", Health.Ok, "Every queue with tickets has a consumer.") { Value = 0 }
            : new("consumers", Health.Warn, $"Queues with tickets and no consumer: {string.Join(", ", unserved)}.")
            {
                Value = ready, Remedy = "Start workers for them. If there are some (jobs workers), they cannot reach the broker: look at their logs.",
            });
        var malformed = await broker.QueueAsync("malformed", ct) is { Ready: > 0 and var n } ? n : 0;
        found.Add(malformed == 0 ? new("malformed", Health.Ok, "No message was set aside.") { Value = 0 }
            : new("malformed", Health.Warn, $"{Phrase.Count(malformed, "message")} were set aside because they are no tickets.")
            {
                Value = malformed, Remedy = $"Look at the queue {options.Value.Schema}.malformed in the management UI: each says why in its header x-jobs-reason. Purge it then.",
            });
    }

    private static Checkup Clock(TimeSpan off) => off.Duration() <= ClockTolerance ? new("clock", Health.Ok, "This machine's clock and the database's agree.")
        : new("clock", Health.Warn, $"The database's clock is {Phrase.Duration(off.Duration())} {(off > TimeSpan.Zero ? "ahead of" : "behind")} this machine's.")
        {
            Value = (long)Math.Round(off.TotalSeconds), Remedy = "Have both follow a time server. Leases and schedules go by the database's clock; ids and periods of unique keys by the app's.",
        };

    private static Checkup Schema(int? version, int needed) => version switch
    {
        null => new("schema", Health.Bad, "The schema is not there.") { Remedy = "Run: jobs migrate" },
        { } v when v < needed => new("schema", Health.Bad, $"The schema is at version {v}; this program needs {needed}.") { Remedy = "Run: jobs migrate" },
        { } v when v > needed => new("schema", Health.Bad, $"The schema is at version {v}; this program knows {needed}.") { Remedy = "Use a program at least as new as the schema." },
        _ => new("schema", Health.Ok, $"The schema is at version {needed.ToString(CultureInfo.InvariantCulture)}, as it should be."),
    };

    private static CancellationTokenSource Deadline(CancellationToken ct)
    {
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(Patience);
        return deadline;
    }

    private static string Causes(Exception e) => e.InnerException is { } inner && !e.Message.Contains(inner.Message, StringComparison.Ordinal)
        ? $"{e.Message.TrimEnd('.')}: {Causes(inner)}" : e.Message.TrimEnd('.');
}
