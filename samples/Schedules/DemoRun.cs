using FileIndex;
using FileIndex.Demo;
using Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using RabbitMQ.Client;

namespace Schedules;

/// <summary>One run: schedules, schedulers that are killed, and an audit that reads the tables and not the platform.</summary>
internal sealed class DemoRun(DemoOptions options) : IAsyncDisposable
{
    private static readonly TimeSpan CatchUpLimit = TimeSpan.FromSeconds(90);
    private readonly string _schema = $"demo_{Random.Shared.Next():x8}";
    private readonly List<ChildProcess> _children = [];
    private NpgsqlDataSource? _database;
    private string _logs = "";

    public async Task<Figures> RunAsync(CancellationToken ct)
    {
        _logs = Directory.CreateTempSubdirectory("jobs-schedules-").FullName;
        _database = new NpgsqlDataSourceBuilder(Servers.Postgres) { ConnectionStringBuilder = { SearchPath = _schema } }.Build();
        try
        {
            Say($"{options.Schedules} schedules, one job a second each; {options.Schedulers} schedulers, one killed every {options.KillEvery} s; logs in {_logs}");
            await AddSchedulesAsync(ct);
            var from = await ValueAsync<DateTime>("select date_trunc('second', max(recorded_to)) + interval '1 second' from schedule", ct);
            Start("worker", "work");
            var schedulers = Enumerable.Range(1, options.Schedulers).Select(n => Start($"scheduler {n}", "schedule")).ToList();
            var kills = await KillAsync(schedulers, ct);
            var to = await ValueAsync<DateTime>("select date_trunc('second', clock_timestamp())", ct);
            await CaughtUpAsync(to, ct);
            return await AuditAsync(from, to, kills, ct);
        }
        finally
        {
            await DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var child in _children)
        {
            await child.DisposeAsync();
        }

        _children.Clear();
        await ExecuteAsync($"drop schema if exists {_schema} cascade; drop schema if exists {_schema}_quartz cascade");
        await using (var broker = await new ConnectionFactory { Uri = new Uri(Servers.RabbitMq) }.CreateConnectionAsync())
        {
            await using var channel = await broker.CreateChannelAsync();
            foreach (var queue in new[] { Tick.Queue, "malformed", "submit" })
            {
                await channel.QueueDeleteAsync($"{_schema}.{queue}");
            }

            await channel.ExchangeDeleteAsync($"{_schema}.submit");
        }

        await _database!.DisposeAsync();
    }

    private async Task AddSchedulesAsync(CancellationToken ct)
    {
        var services = new ServiceCollection();
        services.AddJobs(o => (o.Postgres, o.RabbitMq, o.Schema) = (Servers.Postgres, Servers.RabbitMq, _schema));
        await using var platform = services.BuildServiceProvider();
        var schedules = platform.GetRequiredService<IJobSchedules>();
        for (var n = 0; n < options.Schedules; n++)
        {
            await schedules.AddAsync($"every-second-{n}", "* * * * * ?", new Tick(n), options: new() { AfterOutage = AfterOutage.All(1000) }, ct: ct);
        }
    }

    private async Task<int> KillAsync(List<ChildProcess> schedulers, CancellationToken ct)
    {
        var (kills, started) = (0, TimeProvider.System.GetTimestamp());
        while (TimeProvider.System.GetElapsedTime(started).TotalMinutes < options.Minutes)
        {
            await Task.Delay(TimeSpan.FromSeconds(options.KillEvery), ct);
            _children.ForEach(c => c.CheckAlive());
            var victim = schedulers[Random.Shared.Next(schedulers.Count)];
            await victim.KillAsync();
            schedulers.Remove(victim);
            kills++;
            schedulers.Add(Start($"scheduler {options.Schedulers + kills}", "schedule"));
            Say($"{TimeProvider.System.GetElapsedTime(started).TotalSeconds,5:F0} s   {kills} kills, {await ValueAsync<long>("select count(*) from occurrence where job is not null", ct):N0} occurrences");
        }

        return kills;
    }

    private async Task CaughtUpAsync(DateTime to, CancellationToken ct)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (await ValueAsync<DateTime>("select min(recorded_to) from schedule", ct) < to)
        {
            if (TimeProvider.System.GetElapsedTime(started) > CatchUpLimit)
            {
                throw new DemoException($"The ledger was not caught up {CatchUpLimit.TotalSeconds} s after the last kill. The schedulers' logs: {_logs}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), ct);
        }
    }

    /// <summary>Every second of every schedule: is there one job for it, live or ended; and is there any job that stands for none?</summary>
    private async Task<Figures> AuditAsync(DateTime from, DateTime to, int kills, CancellationToken ct)
    {
        await using var command = _database!.CreateCommand("""
            with expected as (
              select s.name, s.args ->> 'schedule' as number, at from schedule s cross join generate_series($1::timestamptz, $2::timestamptz, interval '1 second') at
            ), made as (
              select id, args ->> 'schedule' as number from job where type = 'tick' union all select id, args ->> 'schedule' from history where type = 'tick'
            ), found as (
              select e.name, e.at, o.job, m.id from expected e
              left join occurrence o on o.schedule = e.name and o.at = e.at
              left join made m on m.id = o.job and m.number = e.number
            )
            select (select count(*) from found where id is not null),
              (select count(*) from found where id is null),
              (select count(*) from made) - (select count(distinct m.id) from made m join occurrence o on o.job = m.id) + (select count(*) - count(distinct id) from made),
              (select coalesce(extract(epoch from percentile_cont(0.5) within group (order by recorded_at - at)) * 1000, 0)::float8 from occurrence where job is not null),
              (select coalesce(extract(epoch from percentile_cont(0.99) within group (order by recorded_at - at)) * 1000, 0)::float8 from occurrence where job is not null)
            """);
        command.Parameters.Add(new() { Value = from });
        command.Parameters.Add(new() { Value = to });
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new Figures(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), kills, Math.Round((to - from).TotalSeconds + 1, 1),
            Math.Round(reader.GetDouble(3), 1), Math.Round(reader.GetDouble(4), 1));
    }

    private ChildProcess Start(string name, string role)
    {
        var child = ChildProcess.Start(name, _schema, _logs, role);
        _children.Add(child);
        return child;
    }

    private async Task<T> ValueAsync<T>(string sql, CancellationToken ct)
    {
        await using var command = _database!.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = _database!.CreateCommand("set client_min_messages = warning; " + sql);
        await command.ExecuteNonQueryAsync();
    }

    private static void Say(string text) => Console.Error.WriteLine(text);
}
