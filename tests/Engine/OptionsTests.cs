using Jobs.Coordination;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>Options: from configuration and code, checked at start, and wrong servers found there too.</summary>
public sealed class OptionsTests
{
    [Fact]
    public async Task All_faults_are_listed_at_once_when_the_host_starts()
    {
        var host = Build([], o =>
        {
            (o.Postgres, o.RabbitMq, o.Schema, o.AppName, o.MaxArgumentBytes, o.SessionTtl) = (" ", "http://localhost", "Jobs-1", "", 0, TimeSpan.FromSeconds(1));
        }, b => b.AddWorker(w => (w.ShutdownGrace, w.TimeoutGrace, w.LogLevel) = (TimeSpan.FromDays(1), TimeSpan.FromSeconds(-1), (LogLevel)42)).AddScheduler(s => (s.KeepSucceededDays, s.KeepOthersDays) = (0, 4000)));
        var faults = (await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync())).Failures.ToList();
        foreach (var expected in new[]
        {
            "JobsOptions.Postgres is empty", "JobsOptions.RabbitMq is not an AMQP URI", "JobsOptions.Schema \"Jobs-1\"", "JobsOptions.AppName is empty",
            "JobsOptions.MaxArgumentBytes 0", "JobsOptions.SessionTtl 00:00:01", "WorkerOptions: no queue", "WorkerOptions: no handler",
            "WorkerOptions: ShutdownGrace 1.00:00:00", "WorkerOptions: TimeoutGrace -00:00:01 is not allowed; use 0 to 10 minutes", "WorkerOptions: LogLevel 42 is not allowed; use one of Trace, Debug,", "SchedulerOptions: KeepSucceededDays 0", "SchedulerOptions: KeepOthersDays 4000",
        })
        {
            Assert.Contains(faults, f => f.StartsWith(expected, StringComparison.Ordinal));
        }

        Assert.Equal(13, faults.Count);
        await DisposeAsync(host);
    }

    [Theory]
    [InlineData("Host=localhost;Nonsense=1", "JobsOptions.Postgres is not an Npgsql connection string")]
    [InlineData("", "JobsOptions.Postgres is empty")]
    public async Task Connection_string_that_is_none_is_a_fault(string postgres, string expected)
    {
        var host = Build([], o => (o.Postgres, o.RabbitMq) = (postgres, "amqp://localhost/"));
        var faults = (await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync())).Failures;
        Assert.StartsWith(expected, Assert.Single(faults), StringComparison.Ordinal);
        await DisposeAsync(host);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("jobs_2")]
    [InlineData("abcdefghijklmnopqrstuvwxyz0123")]
    public void Schema_names_that_are_allowed(string schema) => Assert.Empty(Valid(o => o.Schema = schema).Faults());

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("1jobs")]
    [InlineData("_jobs")]
    [InlineData("jobs.job")]
    [InlineData("jobs;drop")]
    [InlineData("jöbs")]
    [InlineData("abcdefghijklmnopqrstuvwxyz01234")]
    public void Schema_names_that_are_not_allowed(string? schema) =>
        Assert.Contains($"Schema \"{schema}\" is not allowed", Assert.Single(Valid(o => o.Schema = schema!).Faults()), StringComparison.Ordinal);

    [Fact]
    public void Password_in_a_broken_address_is_not_repeated() =>
        Assert.DoesNotContain("hunter2", Assert.Single(Valid(o => o.RabbitMq = "ampq://me:hunter2@localhost").Faults()), StringComparison.Ordinal);

    [Fact]
    public async Task Configuration_is_read_by_keys_with_units_and_code_wins_but_for_slots()
    {
        var host = Build(new()
        {
            ["Jobs:Postgres"] = "Host=here", ["Jobs:RabbitMq"] = "amqp://there/", ["Jobs:Schema"] = "other", ["Jobs:AppName"] = "mailer",
            ["Jobs:MaxArgumentBytes"] = "1000", ["Jobs:MigrateAtStart"] = "false", ["Jobs:AdvisoryLocks"] = "False", ["Jobs:SessionTtlSeconds"] = "7.5",
            ["Jobs:Worker:ShutdownGraceSeconds"] = "9", ["Jobs:Worker:TimeoutGraceSeconds"] = "0.5", ["Jobs:Worker:LogLevel"] = "debug", ["Jobs:Worker:CaptureLogs"] = "false", ["Jobs:Worker:Queues:mail:Concurrency"] = "3", ["Jobs:Worker:Queues:pdf:Concurrency"] = "4",
            ["Jobs:Worker:Queues:plain:Concurrency"] = null, ["Jobs:Scheduler:KeepSucceededDays"] = "2", ["Jobs:Scheduler:KeepOthersDays"] = "30",
        }, o => o.Schema = "mine", b => b.AddWorker(w => w.Queue("pdf", 8)).AddScheduler(s => s.KeepOthersDays = 31));
        var jobs = host.Services.GetRequiredService<IOptions<JobsOptions>>();
        var (worker, scheduler) = (host.Services.GetRequiredService<WorkerOptions>(), host.Services.GetRequiredService<SchedulerOptions>());
        var o = Assert.Throws<OptionsValidationException>(() => jobs.Value); // no handler: the values are there all the same
        Assert.Equal("WorkerOptions: no handler; add w.Handle<TheJob, TheHandler>().", Assert.Single(o.Failures));
        Assert.Equal((LogLevel.Debug, false), (worker.LogLevel, worker.CaptureLogs));
        Assert.Equal((TimeSpan.FromSeconds(9), TimeSpan.FromSeconds(0.5), 2, 31), (worker.ShutdownGrace, worker.TimeoutGrace, scheduler.KeepSucceededDays, scheduler.KeepOthersDays));
        Assert.Equal([("mail", 3), ("pdf", 4), ("plain", 20)], worker.Queues.Select(q => (q.Key, q.Value)));

        var read = new JobsOptions();
        foreach (var configure in host.Services.GetServices<IConfigureOptions<JobsOptions>>())
        {
            configure.Configure(read);
        }

        Assert.Equal(("Host=here", "amqp://there/", "mine", "mailer"), (read.Postgres, read.RabbitMq, read.Schema, read.AppName));
        Assert.Equal((1000, false, false, TimeSpan.FromSeconds(7.5)), (read.MaxArgumentBytes, read.MigrateAtStart, read.AdvisoryLocks, read.SessionTtl));
        await DisposeAsync(host);
    }

    [Theory]
    [InlineData("Jobs:SessionTtlSeconds", "soon", "a number of seconds")]
    [InlineData("Jobs:SessionTtlSeconds", "NaN", "a number of seconds")]
    [InlineData("Jobs:MaxArgumentBytes", "256 KB", "a whole number")]
    [InlineData("Jobs:MigrateAtStart", "maybe", "true or false")]
    [InlineData("Jobs:AdvisoryLocks", "", "true or false")]
    [InlineData("Jobs:Worker:ShutdownGraceSeconds", "25s", "a number of seconds")]
    [InlineData("Jobs:Worker:Queues:mail:Concurrency", "many", "a whole number")]
    [InlineData("Jobs:Scheduler:KeepSucceededDays", "a week", "a whole number")]
    public async Task Bad_value_in_configuration_is_named_with_its_key(string key, string value, string expected)
    {
        var error = await Assert.ThrowsAsync<JobsException>(async () =>
        {
            var host = Build(new() { [key] = value }, o => (o.Postgres, o.RabbitMq) = ("Host=localhost", "amqp://localhost/"),
                b => b.AddWorker(w => w.Queue("default").HandleOutcome<Work, WorkHandler>()).AddScheduler());
            await host.StartAsync();
        });
        Assert.Equal($"The configuration value {key} is \"{value}\"; it must be {expected}.", error.Message);
    }

    [Fact]
    public void Worker_is_refused_what_it_cannot_run()
    {
        var services = new ServiceCollection();
        services.AddJobs().AddWorker(w =>
        {
            Assert.Contains("The concurrency -1 of queue \"mail\"", Assert.Throws<ArgumentOutOfRangeException>(() => w.Queue("mail", -1)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => w.Queue("mail", WorkerOptions.MaxConcurrency + 1));
            Assert.Throws<ArgumentException>(() => w.Queue("malformed"));
            w.HandleOutcome<Work, WorkHandler>();
            var twice = Assert.Throws<InvalidOperationException>(() => w.HandleOutcome<Work, WorkHandler>());
            Assert.Contains("\"test.work\" has a handler already; WorkHandler cannot be a second one", twice.Message, StringComparison.Ordinal);
        });
        var again = Assert.Throws<InvalidOperationException>(() => services.AddJobs().AddWorker(_ => { }));
        Assert.Contains("has a worker already", again.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Platform_that_is_added_twice_is_there_once()
    {
        var services = new ServiceCollection();
        services.AddJobs().AddScheduler();
        var count = services.Count(s => s.ServiceType == typeof(IHostedService));
        services.AddJobs(o => o.Schema = "second").AddScheduler();
        Assert.Equal(count, services.Count(s => s.ServiceType == typeof(IHostedService)));
    }

    [Fact]
    public async Task Wrong_password_for_Postgres_stops_the_start_with_the_servers_own_words()
    {
        await using var app = await TestApp.CreateAsync(migrate: false);
        var wrong = new NpgsqlConnectionStringBuilder(app.Servers.Postgres) { Password = "wrong" };
        var host = app.Build(_ => { }, o => o.Postgres = wrong.ConnectionString);
        var error = await Assert.ThrowsAsync<PostgresException>(() => host.StartAsync().InTimeAsync());
        Assert.Equal(PostgresErrorCodes.InvalidPassword, error.SqlState);
        Assert.Contains(wrong.Username!, error.Message, StringComparison.Ordinal);
        await DisposeAsync(host);
    }

    [Fact]
    public async Task Wrong_password_for_RabbitMQ_stops_the_start()
    {
        await using var app = await TestApp.CreateAsync();
        var wrong = new UriBuilder(app.Servers.RabbitMq) { Password = "wrong" };
        var host = app.Build(_ => { }, o => o.RabbitMq = wrong.Uri.AbsoluteUri);
        var error = await Assert.ThrowsAnyAsync<Exception>(() => host.StartAsync().InTimeAsync());
        Assert.Contains("ACCESS_REFUSED", error.ToString(), StringComparison.Ordinal);
        await DisposeAsync(host);
    }

    [Fact]
    public async Task Broker_that_is_away_does_not_stop_the_start_nor_an_enqueue()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.ProducerAsync(o => o.RabbitMq = "amqp://127.0.0.1:1/");
        Assert.Single(app.Log.Of(1203));
        var id = await host.Services.GetRequiredService<IJobClient>().EnqueueAsync(new Work());
        Assert.Equal(JobState.Queued, (await app.GetAsync(id)).State);
    }

    private static JobsOptions Valid(Action<JobsOptions> change)
    {
        var options = new JobsOptions { Postgres = "Host=localhost", RabbitMq = "amqps://localhost" };
        change(options);
        return options;
    }

    private static IHost Build(Dictionary<string, string?> settings, Action<JobsOptions> options, Action<JobsBuilder>? roles = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Services.AddSingleton(Runs.Done);
        var jobs = builder.Services.AddJobs(options);
        roles?.Invoke(jobs);
        return builder.Build();
    }

    private static ValueTask DisposeAsync(IHost host) => ((IAsyncDisposable)host).DisposeAsync();
}
