using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>Enqueue from plain SQL: the same rules, defaults and errors as from .NET, in the caller's own transaction.</summary>
public sealed class SqlEnqueueTests : IAsyncLifetime
{
    private const string InvalidParameterValue = "22023";

    private TestApp _app = null!;

    public async Task InitializeAsync() => _app = await TestApp.CreateAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Call_without_options_makes_the_job_that_the_client_makes()
    {
        var id = await EnqueueAsync("""jobs.enqueue('test.work', '{"number":7,"text":"a"}')""");
        var other = await _app.Jobs.EnqueueAsync(new Work(7, "a"));
        var (sql, net) = (await _app.GetAsync(id), await _app.GetAsync(other));
        Assert.Equal(JobState.Pending, sql.State);
        Assert.Equal((net.Type, net.Queue, net.Priority, net.Arguments), (sql.Type, sql.Queue, sql.Priority, sql.Arguments));
        Assert.Equal(7, id.Value.Version);
        Assert.Equal(sql.EnqueuedAt, id.CreatedAt, TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Job_runs_if_and_only_if_its_transaction_commits()
    {
        await _app.WorkerAsync(Runs.Done);
        await _app.SchedulerAsync();
        await using var connection = await _app.ConnectAsync();
        await CallAsync(connection, "'{\"number\":1}'", commit: false);
        await CallAsync(connection, "'{\"number\":2}'", commit: true);
        await _app.AllEndedAsync(1);
        Assert.Equal(2, Assert.Single(_app.Runs).Job.Number);
    }

    [Fact]
    public async Task Named_arguments_reach_the_job()
    {
        var at = new DateTimeOffset(2150, 1, 2, 3, 4, 5, TimeSpan.Zero);
        var id = JobId.New();
        Assert.Equal(id, await EnqueueAsync(
            "jobs.enqueue('mail.welcome', '{}', queue => 'mail', priority => 31, run_at => $1, unique_key => 'k', expires => '1 h', timeout => '1.5 s', id => $2)", at, id.Value));
        var job = await _app.GetAsync(id);
        Assert.Equal(("mail.welcome", "mail", 31, JobState.Scheduled, at), (job.Type, job.Queue, job.Priority, job.State, job.DueAt));
        Assert.True(await _app.ScalarAsync<bool>(
            "select unique_key = 'mail.welcome:k' and expires_at = enqueued_at + interval '1 h' and timeout = 1.5 from jobs.job where id = $1", id.Value));
        var later = await EnqueueAsync("jobs.enqueue('mail.welcome', '{}', delay => '2 days')");
        Assert.True(await _app.ScalarAsync<bool>("select due_at = enqueued_at + interval '2 days' from jobs.job where id = $1", later.Value));
        Assert.Equal(JobState.Pending, (await _app.GetAsync(await EnqueueAsync("jobs.enqueue('mail.welcome', '{}', run_at => '2001-01-01')"))).State);
    }

    [Fact]
    public async Task Trigger_of_an_app_enqueues_for_each_of_its_rows()
    {
        await _app.SqlAsync("""
            create table jobs.customer (number integer primary key);
            create function jobs.welcome() returns trigger language plpgsql as $$
            begin perform jobs.enqueue('test.work', json_build_object('number', new.number)); return null; end $$;
            create trigger welcome after insert on jobs.customer for each row execute function jobs.welcome();
            """);
        await _app.WorkerAsync(Runs.Done);
        await _app.SchedulerAsync();
        await _app.SqlAsync("insert into jobs.customer select generate_series(1, 5)");
        await _app.AllEndedAsync(5);
        Assert.Equal([1, 2, 3, 4, 5], _app.Runs.Select(r => r.Job.Number).Order());
    }

    [Fact]
    public async Task Taken_key_returns_the_job_that_has_it_and_is_the_key_that_the_client_knows()
    {
        var first = await EnqueueAsync("jobs.enqueue('test.work', '{}', unique_key => 'k')");
        Assert.Equal(first, await EnqueueAsync("jobs.enqueue('test.work', '{}', unique_key => 'k')"));
        Assert.Equal(first, await _app.Jobs.EnqueueAsync(new Work(), new() { Unique = new() { Key = "k" } }));
        Assert.NotEqual(first, await EnqueueAsync("jobs.enqueue('test.other', '{}', unique_key => 'k')"));
        Assert.Equal(2, await _app.LiveAsync());
    }

    [Fact]
    public async Task Callers_that_race_for_a_key_make_one_job()
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => EnqueueAsync("jobs.enqueue('test.work', '{}', unique_key => 'k')"))));
        Assert.Single(ids.Distinct());
        Assert.Equal(1, await _app.LiveAsync());
    }

    [Fact]
    public async Task Same_id_again_makes_one_job_even_after_its_end()
    {
        await _app.WorkerAsync(Runs.Done);
        await _app.SchedulerAsync();
        var id = JobId.New();
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(id, await EnqueueAsync("jobs.enqueue('test.work', '{}', unique_key => 'k', id => $1)", id.Value));
            await _app.AllEndedAsync(1);
        }

        Assert.Single(_app.Runs);
    }

    [Fact]
    public async Task Insert_into_the_outbox_is_the_same_call()
    {
        var id = await _app.ScalarAsync<Guid>(
            "insert into jobs.outbox (type, args, queue, priority, delay_seconds, unique_key, unique_until_started, timeout_seconds, expires_seconds) "
            + "values ('test.work', '{}', 'mail', 3, 90, 'k', true, 2, 120) returning id");
        Assert.True(await _app.ScalarAsync<bool>(
            "select state = 'scheduled' and queue = 'mail' and priority = 3 and due_at = enqueued_at + interval '90 s' and unique_key = 'test.work:k' and unique_waiting "
            + "and timeout = 2 and expires_at = enqueued_at + interval '2 minutes' from jobs.job where id = $1", id));
        var plain = await _app.ScalarAsync<Guid>("insert into jobs.outbox (type, args) values ('test.work', '{}') returning id");
        Assert.Equal(("default", 16, JobState.Pending), await _app.GetAsync(new JobId(plain)) is var job ? (job.Queue, job.Priority, job.State) : default);
        Assert.Equal(0, await _app.ScalarAsync<long>("select count(*) from jobs.outbox"));
    }

    [Fact]
    public async Task Limit_of_the_arguments_is_a_setting_up_to_the_hard_one()
    {
        await _app.SqlAsync("update jobs.setting set max_argument_bytes = 1048576");
        await EnqueueAsync("jobs.enqueue('test.work', to_json(repeat('a', 1048574)))");
        await _app.SqlAsync("update jobs.setting set max_argument_bytes = 10");
        var error = await Assert.ThrowsAsync<PostgresException>(() => EnqueueAsync("jobs.enqueue('test.work', to_json(repeat('a', 9)))"));
        Assert.Equal(($"Here the limit is {_app.Schema}.setting.max_argument_bytes.", InvalidParameterValue), (error.Hint, error.SqlState));
        Assert.Equal("23514", (await Assert.ThrowsAsync<PostgresException>(() => _app.SqlAsync("update jobs.setting set max_argument_bytes = 1048577"))).SqlState);
        Assert.Equal("23505", (await Assert.ThrowsAsync<PostgresException>(() => _app.SqlAsync("insert into jobs.setting default values"))).SqlState);
        await Assert.ThrowsAsync<PostgresException>(() => _app.SqlAsync(
            "insert into jobs.outbox (type, args, max_argument_bytes) values ('test.work', to_json(repeat('a', 1048575)), 2000000)"));
        Assert.Equal(1, await _app.LiveAsync());
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData("priority 32", "'a', '{}', priority => 32")]
    [InlineData("priority -1", "'a', '{}', priority => -1")]
    [InlineData("negative delay", "'a', '{}', delay => '-5 s'")]
    [InlineData("small negative delay", "'a', '{}', delay => '-1 day -2.5 s'")]
    [InlineData("long delay", "'a', '{}', delay => '3654 days 01:02:03'")]
    [InlineData("year 2200", "'a', '{}', run_at => '2200-01-01T00:00:00Z'")]
    [InlineData("year 9999", "'a', '{}', run_at => '9999-12-31T23:59:59.123456Z'")]
    [InlineData("delay and time", "'a', '{}', delay => '1 s', run_at => '2100-01-01'")]
    [InlineData("empty queue", "'a', '{}', queue => ''")]
    [InlineData("long queue", "'a', '{}', queue => repeat('q', 101)")]
    [InlineData("queue with a slash", "'a', '{}', queue => 'a/b'")]
    [InlineData("queue with a dash first", "'a', '{}', queue => '-a'")]
    [InlineData("queue with a line end", "'a', '{}', queue => e'a\\n'")]
    [InlineData("queue malformed", "'a', '{}', queue => 'malformed'")]
    [InlineData("queue submit", "'a', '{}', queue => 'submit'")]
    [InlineData("type with a space", "'no type', '{}'")]
    [InlineData("type with an umlaut", "'ä', '{}'")]
    [InlineData("long type", "repeat('t', 101), '{}'")]
    [InlineData("empty type", "'', '{}'")]
    [InlineData("null type", "null, '{}'")]
    [InlineData("large arguments", "'a', to_json(repeat('ä', 131072))")]
    [InlineData("id of version 4", "'a', '{}', id => '7d444840-9dc0-4d51-b2f5-000000000001'")]
    [InlineData("short timeout", "'a', '{}', timeout => '9 ms'")]
    [InlineData("long timeout", "'a', '{}', timeout => '31 days'")]
    [InlineData("no expiry", "'a', '{}', expires => '0'")]
    [InlineData("long expiry", "'a', '{}', expires => '3654 days'")]
    [InlineData("empty key", "'a', '{}', unique_key => ''")]
    [InlineData("long key", "'a', '{}', unique_key => repeat('k', 201)")]
    [InlineData("long key of wide characters", "'a', '{}', unique_key => repeat('k', 24) || repeat('😀', 89)")]
    [InlineData("key with a control character", "'a', '{}', unique_key => e'a\\u0085'")]
    [InlineData("21 tags", "'a', '{}', tags => array(select 't' || n from generate_series(0, 20) n)")]
    [InlineData("empty tag", "'a', '{}', tags => '{a,\"\"}'")]
    [InlineData("null tag", "'a', '{}', tags => '{a,null}'")]
    [InlineData("long tag", "'a', '{}', tags => array[repeat('t', 101)]")]
    [InlineData("long tag of wide characters", "'a', '{}', tags => array['a', repeat('k', 24) || repeat('😀', 39)]")]
    [InlineData("large metadata", "'a', '{}', meta => ('{\"a\":\"' || repeat('ä', 2045) || '\"}')::json")]
    [InlineData("metadata with NUL", "'a', '{}', meta => '{\"a\":\"\\u0000\"}'")]
    public async Task Bad_value_is_refused_with_the_words_of_the_client(string name, string call)
    {
        var sql = await Assert.ThrowsAsync<PostgresException>(() => EnqueueAsync($"jobs.enqueue({call})"));
        var net = await Record.ExceptionAsync(() => ClientAsync(name));
        Assert.True(net is ArgumentException or JobTooLargeException, net?.ToString() ?? "the client takes it");
        Assert.Equal(Words(net!.Message), sql.MessageText);
        Assert.Equal(InvalidParameterValue, sql.SqlState);
        Assert.Equal(0, await _app.LiveAsync());
    }

    [Fact]
    public async Task Arguments_that_are_no_json_are_refused_by_the_type_and_null_by_name()
    {
        Assert.Equal("22P02", (await Assert.ThrowsAsync<PostgresException>(() => EnqueueAsync("jobs.enqueue('a', '{''b'': 1}')"))).SqlState);
        Assert.Equal("The arguments of \"a\" are null; give a JSON value, for example '{}'.",
            (await Assert.ThrowsAsync<PostgresException>(() => EnqueueAsync("jobs.enqueue('a', null)"))).MessageText);
    }

    [Fact]
    public async Task Values_at_their_limits_are_taken()
    {
        await EnqueueAsync("jobs.enqueue(repeat('t', 100), 'null', queue => '0.A_z-', priority => 0, delay => '3653 days', timeout => '10 ms', expires => '3653 days', "
            + "unique_key => repeat('😀', 100))");
        await EnqueueAsync("jobs.enqueue('a', to_json(repeat('ä', 131071)), priority => 31, run_at => '2199-12-31T23:59:59Z', timeout => '30 days', expires => '1 us')");
        Assert.Equal(2, await _app.LiveAsync());
    }

    private Task<JobId> ClientAsync(string name)
    {
        Task<JobId> With(EnqueueOptions options) => _app.Jobs.EnqueueJsonAsync("a", "{}", options);
        Task<JobId> Type(string type, string json = "{}") => _app.Jobs.EnqueueJsonAsync(type, json);
        return name switch
        {
            "priority 32" => With(new() { Priority = 32 }),
            "priority -1" => With(new() { Priority = -1 }),
            "negative delay" => With(new() { Delay = TimeSpan.FromSeconds(-5) }),
            "small negative delay" => With(new() { Delay = TimeSpan.FromSeconds(-86402.5) }),
            "long delay" => With(new() { Delay = new TimeSpan(3654, 1, 2, 3) }),
            "year 2200" => With(new() { RunAt = new DateTimeOffset(2200, 1, 1, 0, 0, 0, TimeSpan.Zero) }),
            "year 9999" => With(new() { RunAt = new DateTimeOffset(9999, 12, 31, 23, 59, 59, 123, 456, TimeSpan.Zero) }),
            "delay and time" => With(new() { Delay = TimeSpan.FromSeconds(1), RunAt = new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero) }),
            "empty queue" => With(new() { Queue = "" }),
            "long queue" => With(new() { Queue = new string('q', 101) }),
            "queue with a slash" => With(new() { Queue = "a/b" }),
            "queue with a dash first" => With(new() { Queue = "-a" }),
            "queue with a line end" => With(new() { Queue = "a\n" }),
            "queue malformed" => With(new() { Queue = "malformed" }),
            "queue submit" => With(new() { Queue = "submit" }),
            "type with a space" => Type("no type"),
            "type with an umlaut" => Type("ä"),
            "long type" => Type(new string('t', 101)),
            "empty type" => Type(""),
            "null type" => Type(null!),
            "large arguments" => Type("a", $"\"{new string('ä', 131072)}\""),
            "id of version 4" => With(new() { Id = new JobId(new Guid("7d444840-9dc0-4d51-b2f5-000000000001")) }),
            "short timeout" => With(new() { Timeout = TimeSpan.FromMilliseconds(9) }),
            "long timeout" => With(new() { Timeout = TimeSpan.FromDays(31) }),
            "no expiry" => With(new() { Expires = TimeSpan.Zero }),
            "long expiry" => With(new() { Expires = TimeSpan.FromDays(3654) }),
            "empty key" => With(new() { Unique = new() { Key = "" } }),
            "long key" => With(new() { Unique = new() { Key = new string('k', 201) } }),
            "long key of wide characters" => With(new() { Unique = new() { Key = new string('k', 24) + string.Concat(Enumerable.Repeat("😀", 89)) } }),
            "21 tags" => With(new() { Tags = [.. Enumerable.Range(0, 21).Select(n => $"t{n}")] }),
            "empty tag" => With(new() { Tags = ["a", ""] }),
            "null tag" => With(new() { Tags = ["a", null!] }),
            "long tag" => With(new() { Tags = [new string('t', 101)] }),
            "long tag of wide characters" => With(new() { Tags = ["a", new string('k', 24) + string.Concat(Enumerable.Repeat("😀", 39))] }),
            "large metadata" => With(new() { Metadata = new Dictionary<string, string> { ["a"] = new string('ä', 2045) } }),
            "metadata with NUL" => With(new() { Metadata = new Dictionary<string, string> { ["a"] = "\0" } }),
            "key with a control character" => With(new() { Unique = new() { Key = "a\u0085" } }),
            _ => throw new NotSupportedException(name),
        };
    }

    /// <summary>Without what .NET adds: the parameter's name and its value.</summary>
    private static string Words(string message) => message.Split(" (Parameter '", 2)[0];

    private async Task<JobId> EnqueueAsync(string call, params object[] values) => new(await _app.ScalarAsync<Guid>($"select {call}", values));

    private async Task CallAsync(NpgsqlConnection connection, string args, bool commit)
    {
        await using var transaction = await connection.BeginTransactionAsync();
        await using var call = new NpgsqlCommand(_app.InSchema($"select jobs.enqueue('test.work', {args})"), connection, transaction);
        await call.ExecuteNonQueryAsync();
        if (commit)
        {
            await transaction.CommitAsync();
        }
    }
}
