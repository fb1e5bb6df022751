using Jobs.Postgres;
using Jobs.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>What attempts leave while they run: their log and their progress.</summary>
public sealed partial class OutputTests
{
    private static readonly Action<IServiceCollection> Quiet = s => s.AddLogging(l => l.SetMinimumLevel(LogLevel.Debug));

    private ILogger _log = Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;
    private ILogger _own = Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

    // ---- logs

    [Fact]
    public async Task Lines_are_kept_in_order_with_all_that_belongs_to_them()
    {
        await using var app = await TestApp.CreateAsync();
        await WorkerAsync(app, (_, _, _) =>
        {
            _log.LogInformation("first {Number}", 1);
            using (_log.BeginScope("order {Order}", 7))
            using (_log.BeginScope(new Dictionary<string, object?> { ["a"] = 1, ["b"] = "two" }))
            {
                _log.LogWarning(new FormatException("no good"), "second");
            }

            _log.LogError("third\nwith \0 and \ud800 in it");
            return Task.FromResult(JobOutcome.Succeeded);
        });
        var id = await app.Jobs.EnqueueAsync(new Work());
        var lines = await LinesAsync(app, id, 3);
        Assert.Equal([(1, 1, LogLevel.Information, "first 1"), (1, 2, LogLevel.Warning, "second"), (1, 3, LogLevel.Error, "third\nwith \uFFFD and \uFFFD in it")],
            lines.Select(l => (l.Attempt, l.Number, l.Level, l.Text)));
        Assert.All(lines, l => Assert.Equal("Shop.Orders", l.Category));
        Assert.Equal(["order 7", "a=1, b=two"], lines[1].Scopes);
        Assert.StartsWith("System.FormatException: no good", lines[1].Error, StringComparison.Ordinal);
        Assert.True(lines[0].At <= lines[2].At);
        Assert.Empty(lines[0].Scopes);
    }

    [Fact]
    public async Task Many_at_once_keep_their_lines_apart_and_in_order()
    {
        await using var app = await TestApp.CreateAsync();
        await WorkerAsync(app, async (job, _, _) =>
        {
            await Task.WhenAll(Enumerable.Range(0, 3).Select(async t =>
            {
                for (var n = 0; n < 50; n++)
                {
                    _log.LogInformation("{Job} {Task} {Number}", job.Number, t, n);
                    await Task.Yield();
                }
            }));
            return JobOutcome.Succeeded;
        }, concurrency: 20);
        var ids = await Task.WhenAll(Enumerable.Range(0, 40).Select(n => app.Jobs.EnqueueAsync(new Work(n))));
        foreach (var (id, job) in ids.Select((id, job) => (id, job)))
        {
            var lines = await LinesAsync(app, id, 150);
            Assert.Equal(Enumerable.Range(1, 150), lines.Select(l => l.Number));
            foreach (var task in Enumerable.Range(0, 3))
            {
                Assert.Equal(Enumerable.Range(0, 50).Select(n => $"{job} {task} {n}"), lines.Select(l => l.Text).Where(t => t.StartsWith($"{job} {task} ", StringComparison.Ordinal)));
            }
        }
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Attempts_of_one_job_are_told_apart_and_pages_go_on_where_they_were()
    {
        await using var app = await TestApp.CreateAsync();
        await app.SchedulerAsync();
        await WorkerAsync(app, (_, context, _) =>
        {
            _log.LogInformation("one of {Attempt}", context.Attempt);
            _log.LogInformation("two of {Attempt}", context.Attempt);
            return context.Attempt == 1 ? throw new FormatException("again") : Task.FromResult(JobOutcome.Succeeded);
        }, retry: new RetryPolicy(2, _ => TimeSpan.Zero));
        var id = await app.Jobs.EnqueueAsync(new Work());
        var lines = await LinesAsync(app, id, 4);
        Assert.Equal(["one of 1", "two of 1", "one of 2", "two of 2"], lines.Select(l => l.Text));
        Assert.Equal(["one of 2", "two of 2"], await TextsAsync(app, id, new() { Attempt = 2 }));
        Assert.Equal(["two of 1", "one of 2", "two of 2"], await TextsAsync(app, id, new() { After = (lines[0].Attempt, lines[0].Number) }));
        Assert.Equal(["two of 2"], await TextsAsync(app, id, new() { After = (2, 1) }));
    }

    [Fact]
    public async Task Row_that_is_there_twice_is_read_once()
    {
        await using var app = await TestApp.CreateAsync();
        await WorkerAsync(app, (_, _, _) =>
        {
            _log.LogInformation("a");
            _log.LogInformation("b");
            return Task.FromResult(JobOutcome.Succeeded);
        });
        var id = await app.Jobs.EnqueueAsync(new Work());
        await LinesAsync(app, id, 2);
        await app.SqlAsync("insert into jobs.log select * from jobs.log");
        Assert.Equal(["a", "b"], await TextsAsync(app, id));
    }

    [Fact]
    public async Task Log_can_be_followed_while_the_job_runs_and_ends_with_it()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await WorkerAsync(app, async (job, context, ct) =>
        {
            _log.LogInformation("begun");
            var outcome = await gate.RunAsync(job, context, ct);
            _log.LogInformation("ended");
            return outcome;
        });
        var id = await app.Jobs.EnqueueAsync(new Work());
        var texts = new List<string>();
        await foreach (var line in app.Jobs.LogsAsync(id, new() { Follow = true }))
        {
            texts.Add(line.Text);
            Assert.Equal(line.Number == 1 ? JobState.Running : JobState.Succeeded, (await (line.Number == 1 ? app.GetAsync(id) : app.EndedAsync(id))).State);
            gate.Open();
        }

        Assert.Equal(["begun", "ended"], texts);
        Assert.Empty(await TextsAsync(app, JobId.New(), new() { Follow = true })); // one that never was does not grow
    }

    [Fact]
    public async Task Limits_of_an_attempt_are_said_in_its_log()
    {
        await using var app = await TestApp.CreateAsync();
        await WorkerAsync(app, (job, _, _) =>
        {
            for (var n = 1; n <= (job.Number == 1 ? 1500 : 60); n++)
            {
                _log.LogInformation("{Text}", job.Number == 1 ? $"{n}" : new string('é', 5000));
            }

            return Task.FromResult(JobOutcome.Succeeded);
        });
        var (many, large) = (await app.Jobs.EnqueueAsync(new Work(1)), await app.Jobs.EnqueueAsync(new Work(2)));
        var lines = await LinesAsync(app, many, 1002);
        Assert.Equal(Enumerable.Range(1, 1000).Select(n => $"{n}"), lines.Take(1000).Select(l => l.Text));
        Assert.Equal([("Jobs", LogLevel.Warning, "This attempt has written as much as is kept (1,000 lines, 256 KB): what follows is left out."), ("Jobs", LogLevel.Warning, "500 lines were left out.")],
            lines.Skip(1000).Select(l => (l.Category, l.Level, l.Text)));

        await LinesAsync(app, large, 33);
        lines = await EndedLogAsync(app, large, "lines were left out.");
        Assert.Equal(new string('é', 4094) + "...", lines[0].Text); // 8,192 bytes
        Assert.Equal($"{60 - (lines.Count - 2)} lines were left out.", lines[^1].Text);
        Assert.InRange(lines.Count, 30, 34);
        Assert.True(await app.ScalarAsync<long>("select sum(octet_length(lines::text)) from jobs.log where job = $1", large.Value) < 258 * 1024);
    }

    [Fact]
    public async Task Only_lines_of_the_level_are_kept_and_only_those_that_are_asked_for_are_read()
    {
        await using var app = await TestApp.CreateAsync();
        Run run = (_, _, _) =>
        {
            Assert.Equal((false, true), (_log.IsEnabled(LogLevel.Debug), _log.IsEnabled(LogLevel.Critical)));
            foreach (var level in Enum.GetValues<LogLevel>())
            {
                _log.Log(level, "{Level}", level);
            }

            return Task.FromResult(JobOutcome.Succeeded);
        };
        await WorkerAsync(app, run);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await LinesAsync(app, id, 4);
        Assert.Equal(["Information", "Warning", "Error", "Critical"], await TextsAsync(app, id));
        Assert.Equal(["Error", "Critical"], await TextsAsync(app, id, new() { Level = LogLevel.Error }));
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(LogLevel.Debug, new[] { "Debug", "Information", "Warning", "Error", "Critical" })]
    [InlineData(LogLevel.Error, new[] { "Error", "Critical" })]
    public async Task Level_to_keep_can_be_set_below_what_the_app_shows(LogLevel level, string[] kept)
    {
        await using var app = await TestApp.CreateAsync();
        await WorkerAsync(app, (_, _, _) =>
        {
            foreach (var l in Enum.GetValues<LogLevel>())
            {
                _log.Log(l, "{Level}", l);
            }

            return Task.FromResult(JobOutcome.Succeeded);
        }, settings: new() { ["Jobs:Worker:LogLevel"] = $"{level}" });
        var id = await app.Jobs.EnqueueAsync(new Work());
        await LinesAsync(app, id, kept.Length);
        Assert.Equal(kept, await TextsAsync(app, id, new() { Follow = true }));
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Nothing_is_kept_where_that_is_switched_off_and_nothing_outside_of_attempts()
    {
        await using var app = await TestApp.CreateAsync();
        var late = new TaskCompletionSource();
        Task? after = null;
        Run run = (_, _, _) =>
        {
            _log.LogInformation("inside");
            _own.LogInformation("the platform's own");
            after = Task.Run(async () =>
            {
                await late.Task;
                _log.LogInformation("after the end");
            });
            return Task.FromResult(JobOutcome.Succeeded);
        };
        await WorkerAsync(app, run);
        _log.LogInformation("outside");
        var id = await app.Jobs.EnqueueAsync(new Work());
        await app.EndedAsync(id);
        late.SetResult();
        await after!;
        Assert.Equal(["inside"], await TextsAsync(app, id, new() { Follow = true })); // and not the platform's own either

        await using var other = await TestApp.CreateAsync();
        await WorkerAsync(other, run, settings: new() { ["Jobs:Worker:CaptureLogs"] = "false" });
        id = await other.Jobs.EnqueueAsync(new Work());
        await other.EndedAsync(id);
        Assert.Empty(await TextsAsync(other, id, new() { Follow = true }));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Worker_that_stops_writes_all_down_first()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var host = await WorkerAsync(app, async (job, context, ct) =>
        {
            for (var n = 0; n < 500; n++)
            {
                _log.LogInformation("{Number}", n);
            }

            context.Progress(500, 1000);
            return await gate.RunAsync(job, context, ct);
        });
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        await app.StopAsync(host);
        Assert.Equal(Enumerable.Range(0, 500).Select(n => $"{n}"), await TextsAsync(app, id));
        var job = await app.GetAsync(id);
        Assert.Equal((JobState.Queued, 500L), (job.State, job.Progress?.Done));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Lines_for_which_there_is_no_memory_are_counted_and_that_is_said()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await WorkerAsync(app, (_, _, _) =>
        {
            _log.LogInformation("no room");
            _log.LogInformation("none either");
            return Task.FromResult(JobOutcome.Succeeded);
        });
        var writer = host.Services.GetRequiredService<LogWriter>();
        writer.Hold((int)LogWriter.MaxHeld); // as if so much waited for Postgres
        var id = await app.Jobs.EnqueueAsync(new Work(1));
        Assert.Equal("2 lines were left out (2 of them because too many lines of this worker were waiting for Postgres).", Assert.Single(await LinesAsync(app, id, 1)).Text);
        await app.LoggedAsync(1452);
        Assert.Equal(2, writer.Dropped);
        writer.Hold(-(int)LogWriter.MaxHeld);
        Assert.Equal("no room", (await LinesAsync(app, await app.Jobs.EnqueueAsync(new Work(2)), 2))[0].Text);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Lines_wait_while_Postgres_does_not_take_them()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await WorkerAsync(app, async (job, context, ct) =>
        {
            _log.LogInformation("before");
            var outcome = await gate.RunAsync(job, context, ct);
            _log.LogInformation("after");
            return outcome;
        });
        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await new NpgsqlCommand(app.InSchema("lock table jobs.log; set local application_name = 'the one in the way'"), connection, transaction).ExecuteNonQueryAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        await Eventually.SeeAsync(() => app.ScalarAsync<bool>("""
            select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_stat_activity where wait_event_type = 'Lock' and query like '%' || $1 || ':append_log%'
            """, app.Schema), stuck => stuck, "the statement is broken", app.Log.Tail);
        await app.LoggedAsync(1450);
        gate.Open();
        await app.EndedAsync(id); // the job does not wait for its log
        await transaction.RollbackAsync();
        Assert.Equal(["before", "after"], (await LinesAsync(app, id, 2)).Select(l => l.Text));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Day_without_a_partition_gets_one()
    {
        await using var app = await TestApp.CreateAsync();
        foreach (var partition in await app.ScalarAsync<string[]>("select array_agg(inhrelid::regclass::text) from pg_inherits where inhparent = 'jobs.log'::regclass"))
        {
            await app.SqlAsync($"drop table {partition}");
        }

        await WorkerAsync(app, (_, _, _) =>
        {
            _log.LogInformation("kept");
            return Task.FromResult(JobOutcome.Succeeded);
        });
        await LinesAsync(app, await app.Jobs.EnqueueAsync(new Work()), 1);
    }

    // ---- means

    private async Task<Microsoft.Extensions.Hosting.IHost> WorkerAsync(TestApp app, Run run, int concurrency = 4, RetryPolicy? retry = null, Dictionary<string, string?>? settings = null)
    {
        var host = await app.WorkerAsync(run, concurrency, retry, services: s =>
        {
            Quiet(s);
            if (settings is not null)
            {
                s.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
            }
        });
        var loggers = host.Services.GetRequiredService<ILoggerFactory>();
        (_log, _own) = (loggers.CreateLogger("Shop.Orders"), loggers.CreateLogger("Jobs.Worker.Executor"));
        return host;
    }

    private static async Task<IReadOnlyList<JobLogLine>> LinesAsync(TestApp app, JobId id, int count) =>
        await Eventually.SeeAsync(() => ReadAsync(app, id), l => l.Count >= count, $"{count} lines of {id}", app.Log.Tail);

    private static async Task<IReadOnlyList<JobLogLine>> EndedLogAsync(TestApp app, JobId id, string last) =>
        await Eventually.SeeAsync(() => ReadAsync(app, id), l => l.Count > 0 && l[^1].Text.EndsWith(last, StringComparison.Ordinal), $"the last line of {id}", app.Log.Tail);

    private static async Task<IReadOnlyList<string>> TextsAsync(TestApp app, JobId id, JobLogQuery? query = null) => [.. (await ReadAsync(app, id, query)).Select(l => l.Text)];

    private static async Task<IReadOnlyList<JobLogLine>> ReadAsync(TestApp app, JobId id, JobLogQuery? query = null)
    {
        var lines = new List<JobLogLine>();
        await foreach (var line in app.Jobs.LogsAsync(id, query))
        {
            lines.Add(line);
        }

        return lines;
    }
}
