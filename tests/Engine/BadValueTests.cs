namespace Jobs.Tests.Engine;

/// <summary>Values that break a rule: each is refused at the call, with an error that names the value, and nothing is written.</summary>
public sealed class BadValueTests : IAsyncLifetime
{
    private static readonly (string Name, string Expected)[] Cases =
    [
        ("priority 32", "The priority 32 is not allowed; use 0 (lowest) to 31"),
        ("priority -1", "The priority -1 is not allowed"),
        ("negative delay", "The delay -00:00:05 is not allowed; use 0 to"),
        ("endless delay", "is not allowed; use 0 to 3653 days"),
        ("year 9999", "The time 9999-12-31T23:59:59"),
        ("year 2200", "The time 2200-01-01T00:00:00"),
        ("delay and time", "Delay and RunAt are both set"),
        ("empty queue", "The queue name is empty"),
        ("long queue", "The queue name \"qqqqqqqqqqqqqqqqqqqqqqqq...\" has 101 characters; at most 100"),
        ("queue with a slash", "The queue name \"a/b\" is not allowed; use letters"),
        ("queue with a dash first", "The queue name \"-a\" is not allowed"),
        ("queue malformed", "\"malformed\" is taken by the queue for messages that are not tickets"),
        ("queue submit", "\"submit\" is taken by the queue for jobs that come in over AMQP; choose another"),
        ("null queue", "The queue name is empty"),
        ("id of version 4", "The id 7d444840-9dc0-4d51-b2f5-000000000001 is not a UUID of version 7; make ids with JobId.New()"),
        ("empty id", "The id 00000000-0000-0000-0000-000000000000 is not a UUID of version 7"),
        ("null job", "job"),
        ("null job in a transaction", "job"),
        ("no attribute", "NotAJob is not a job: it has no [Job] attribute. Write [Job(\"notAJob\")] above it"),
        ("attribute with a bad type", "The [Job] attribute of BadType breaks a rule. The job type \"has a space\" is not allowed"),
        ("attribute with a bad queue", "The [Job] attribute of BadQueue breaks a rule. The queue name \"malformed\" is taken"),
        ("json: no json", "The arguments of \"test.work\" are not JSON"),
        ("json: two values", "The arguments of \"test.work\" are not JSON"),
        ("json: empty", "The arguments of \"test.work\" are not JSON"),
        ("json: null", "arguments"),
        ("json: bad type", "The job type \"no type\" is not allowed"),
        ("json: long type", "The job type \"tttttttttttttttttttttttt...\" has 101 characters"),
        ("json: null type", "The job type is empty"),
        ("limit 0", "The limit 0 is not allowed; use 1 to 1000 and page with Below"),
        ("limit 1001", "The limit 1001 is not allowed"),
        ("null filter", "filter"),
    ];

    private TestApp _app = null!;

    public async Task InitializeAsync() => _app = await TestApp.CreateAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Each_is_refused_by_name_and_nothing_is_written()
    {
        foreach (var (name, expected) in Cases)
        {
            var error = await Record.ExceptionAsync(() => CallAsync(name));
            Assert.True(error is ArgumentException or InvalidOperationException, $"{name}: {error?.ToString() ?? "no error"}");
            Assert.Contains(expected, error!.Message, StringComparison.Ordinal);
            Assert.Equal((name, 0), (name, await _app.LiveAsync()));
        }
    }

    [Fact]
    public async Task Names_at_their_limits_are_taken()
    {
        var longest = new string('a', 100);
        var id = await _app.Jobs.EnqueueJsonAsync(longest, "null", new() { Queue = "0.A_z-" });
        await _app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromDays(3653) });
        await _app.Jobs.EnqueueAsync(new Work(), new() { RunAt = new DateTimeOffset(2199, 12, 31, 0, 0, 0, TimeSpan.Zero) });
        var job = await _app.GetAsync(id);
        Assert.Equal((longest, "0.A_z-", "null"), (job.Type, job.Queue, job.Arguments));
        Assert.Equal(3, await _app.LiveAsync());
    }

    private Task CallAsync(string name)
    {
        var jobs = _app.Jobs;
        Task With(EnqueueOptions options) => jobs.EnqueueAsync(new Work(), options);
        return name switch
        {
            "priority 32" => With(new() { Priority = 32 }),
            "priority -1" => With(new() { Priority = -1 }),
            "negative delay" => With(new() { Delay = TimeSpan.FromSeconds(-5) }),
            "endless delay" => With(new() { Delay = TimeSpan.MaxValue }),
            "year 9999" => With(new() { RunAt = DateTimeOffset.MaxValue }),
            "year 2200" => With(new() { RunAt = new DateTimeOffset(2200, 1, 1, 0, 0, 0, TimeSpan.Zero) }),
            "delay and time" => With(new() { Delay = TimeSpan.Zero, RunAt = DateTimeOffset.UnixEpoch }),
            "empty queue" => With(new() { Queue = "" }),
            "long queue" => With(new() { Queue = new string('q', 101) }),
            "queue with a slash" => With(new() { Queue = "a/b" }),
            "queue with a dash first" => With(new() { Queue = "-a" }),
            "queue malformed" => With(new() { Queue = "malformed" }),
            "queue submit" => With(new() { Queue = "submit" }),
            "null queue" => With(new() { Queue = new QueueName(null!) }),
            "id of version 4" => With(new() { Id = new JobId(new Guid("7d444840-9dc0-4d51-b2f5-000000000001")) }),
            "empty id" => With(new() { Id = default(JobId) }),
            "null job" => jobs.EnqueueAsync<Work>(null!),
            "null job in a transaction" => InTransactionAsync(null!),
            "no attribute" => jobs.EnqueueAsync(new NotAJob()),
            "attribute with a bad type" => jobs.EnqueueAsync(new BadType()),
            "attribute with a bad queue" => jobs.EnqueueAsync(new BadQueue()),
            "json: no json" => jobs.EnqueueJsonAsync("test.work", "{'a': 1}"),
            "json: two values" => jobs.EnqueueJsonAsync("test.work", "{} {}"),
            "json: empty" => jobs.EnqueueJsonAsync("test.work", ""),
            "json: null" => jobs.EnqueueJsonAsync("test.work", null!),
            "json: bad type" => jobs.EnqueueJsonAsync("no type", "{}"),
            "json: long type" => jobs.EnqueueJsonAsync(new string('t', 101), "{}"),
            "json: null type" => jobs.EnqueueJsonAsync(null!, "{}"),
            "limit 0" => _app.Operator.ListAsync(new(), new() { Limit = 0 }),
            "limit 1001" => _app.Operator.ListAsync(new(), new() { Limit = 1001 }),
            "null filter" => _app.Operator.ListAsync(null!),
            _ => throw new NotSupportedException(name),
        };
    }

    private async Task InTransactionAsync(Work job)
    {
        await using var connection = await _app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await _app.Jobs.EnqueueAsync(job, transaction);
        await transaction.CommitAsync();
    }

    private sealed record NotAJob;

    [Job("has a space")]
    private sealed record BadType;

    [Job("good", Queue = "malformed")]
    private sealed record BadQueue;
}
