using System.Text;
using Npgsql;
using RabbitMQ.Client;

namespace Jobs.Tests.Engine;

/// <summary>Jobs that other programs publish over AMQP.</summary>
public sealed class SubmitTests : IAsyncLifetime
{
    private TestApp _app = null!;

    public async Task InitializeAsync()
    {
        _app = await TestApp.CreateAsync();
        await _app.DeclareSubmitAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Message_with_nothing_but_a_type_and_a_body_becomes_a_job_like_any_other_and_runs()
    {
        await _app.SchedulerAsync();
        await _app.WorkerAsync(Runs.Done);
        await PublishAsync(new Message { Body = """{"number": 7, "text": "Grüße"}""" });
        await _app.AllEndedAsync(1);
        Assert.Equal(new Work(7, "Grüße"), Assert.Single(_app.Runs).Job);
        var job = Assert.Single(await _app.Operator.ListAsync(new()));
        Assert.Equal(("test.work", "default", 16, JobState.Succeeded), (job.Type, job.Queue, (int)job.Priority, job.State));
        Assert.Equal("""{"number": 7, "text": "Grüße"}""", job.Arguments);
        await _app.WaitForTicketsAsync("submit", 0);
        Assert.DoesNotContain(await _app.Operator.QueuesAsync(), q => q.Name is "submit" or "malformed");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_property_and_header_says_what_an_option_says_as_a_number_or_as_text(bool texts)
    {
        await _app.SchedulerAsync();
        object Value(object number) => texts ? FormattableString.Invariant($"{number}") : number;
        await PublishAsync(
            new Message { Number = 0, Priority = 1, Headers = { ["x-jobs-queue"] = "mail" } },
            new Message { Number = 1, Priority = 31, Headers = { ["x-jobs-delay"] = Value(90.5) } },
            new Message { Number = 2, Headers = { ["x-jobs-run-at"] = texts ? "2150-01-31T02:30:00+01:00" : new AmqpTimestamp(5682879000) } },
            new Message { Number = 3, Headers = { ["x-jobs-unique-key"] = Value(5), ["x-jobs-delay"] = Value(60) } },
            new Message { Number = 5, Headers = { ["x-jobs-expires"] = Value(120), ["x-jobs-timeout"] = Value(1.5f) } },
            new Message { Number = 6, Headers = { ["x-jobs-run-at"] = "2020-01-01T00:00:00.5Z", ["mine"] = "kept out of it", ["x-other"] = true } });
        await LiveAsync(6);
        await PublishAsync(new Message { Number = 4, Headers = { ["x-jobs-unique-key"] = Value(5) } }); // its key is taken
        await _app.WaitForTicketsAsync("submit", 0);
        Assert.Equal(6, await _app.LiveAsync());
        Assert.Equal("queued mail 1", await FactAsync(0, "state || ' ' || queue || ' ' || priority"));
        Assert.Equal("scheduled 31 90.5", await FactAsync(1, "state || ' ' || priority || ' ' || round(extract(epoch from due_at - enqueued_at), 1)"));
        Assert.Equal("2150-01-31 01:30:00", await FactAsync(2, "(due_at at time zone 'UTC')::text"));
        Assert.Equal("test.work:5", await FactAsync(3, "unique_key"));
        Assert.Equal("120 1.5", await FactAsync(5, "round(extract(epoch from expires_at - enqueued_at)) || ' ' || timeout"));
        Assert.Equal("queued", await FactAsync(6, "state::text"));
        await _app.WaitForTicketsAsync("submit", 0);
        Assert.Equal(0u, await _app.DepthAsync("malformed"));
    }

    [Fact]
    public async Task Same_message_id_is_one_job_in_one_batch_and_across_schedulers_and_after_its_end()
    {
        await PublishAsync([.. Enumerable.Range(0, 10).Select(n => new Message { Id = n % 2 == 0 ? "even" : "odd", Number = n })]);
        await _app.WaitForTicketsAsync("submit", 10);
        await _app.WorkerAsync(Runs.Done);
        var first = await _app.SchedulerAsync();
        await _app.AllEndedAsync(2);
        await _app.StopAsync(first);
        await _app.SchedulerAsync();
        await PublishAsync(new Message { Id = "even", Number = 10 }, new Message { Id = "odd", Number = 11 }, new Message { Id = "third", Number = 12 });
        await _app.AllEndedAsync(3);
        Assert.Equal([0, 1, 12], _app.Runs.Select(r => r.Job.Number).Order());
        await _app.WaitForTicketsAsync("submit", 0);
    }

    [Fact]
    public async Task Message_id_that_meets_a_taken_unique_key_stands_for_the_job_that_has_it()
    {
        await _app.SchedulerAsync();
        await PublishAsync(new Message { Id = "a", Headers = { ["x-jobs-unique-key"] = "k", ["x-jobs-delay"] = 3600 } });
        await PublishAsync(new Message { Id = "b", Headers = { ["x-jobs-unique-key"] = "k" } });
        await PublishAsync(new Message { Id = "b" }, new Message { Id = "c", Number = 3 });
        await LiveAsync(2);
        Assert.Equal(["amqp/a", "amqp/b"], await _app.ScalarAsync<string[]>(
            "select array_agg(k.key order by k.key) from jobs.held_key k join jobs.job j on j.id = k.job where j.unique_key is not null"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Delivered_again_because_its_channel_broke_between_the_commit_and_the_acknowledgement_it_is_the_same_job()
    {
        if (_app.Servers.Management is null)
        {
            return; // only the management plugin can close somebody else's connection
        }

        await PublishAsync([.. Enumerable.Range(0, 15).Select(n => new Message { Id = $"m{n}", Number = n })]);
        await _app.WaitForTicketsAsync("submit", 15);
        await using var blocker = await _app.ConnectAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await LockAsync(blocker, "jobs.held_key");
        await _app.SchedulerAsync(options: o => o.AppName = _app.Schema);
        await Eventually.SeeAsync(() => _app.ScalarAsync<long>("select count(*) from pg_locks where relation = 'jobs.held_key'::regclass and not granted"),
            n => n > 0, "the batch is being written", _app.Log.Tail);
        using var management = new Management(_app);
        await management.CloseConnectionAsync($"{_app.Schema} submit ");
        await _app.LoggedAsync(1105);
        await transaction.CommitAsync();
        await LiveAsync(15);
        await _app.WaitForTicketsAsync("submit", 0);
        await PublishAsync(new Message { Number = 15 }); // behind what was delivered again
        await _app.WorkerAsync(Runs.Done);
        await _app.AllEndedAsync(16);
        Assert.Equal(Enumerable.Range(0, 16), _app.Runs.Select(r => r.Job.Number).Order());
    }

    [Fact]
    public async Task Nothing_is_acknowledged_while_the_database_does_not_take_it_and_all_of_it_runs_after_that()
    {
        await _app.SqlAsync("alter table jobs.held_key rename to held_key_away");
        await _app.SchedulerAsync();
        await PublishAsync([.. Enumerable.Range(0, 50).Select(n => new Message { Id = $"m{n}", Number = n })]);
        await _app.LoggedAsync(1503);
        Assert.Equal(0, await _app.LiveAsync());
        await _app.SqlAsync("alter table jobs.held_key_away rename to held_key");
        await _app.WorkerAsync(Runs.Done);
        await _app.AllEndedAsync(50);
        Assert.Equal(Enumerable.Range(0, 50), _app.Runs.Select(r => r.Job.Number).Order());
        Assert.Equal(0u, await _app.DepthAsync("malformed"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Two_thousand_messages_through_two_schedulers_are_two_thousand_jobs()
    {
        await _app.SchedulerAsync();
        await _app.SchedulerAsync();
        await _app.WorkerAsync(Runs.Done, concurrency: 50);
        await PublishAsync([.. Enumerable.Range(0, 2000).Select(n => new Message { Id = n % 3 == 0 ? null : $"m{n}", Number = n })]);
        await _app.AllEndedAsync(2000);
        Assert.Equal(Enumerable.Range(0, 2000), _app.Runs.Select(r => r.Job.Number).Order());
        await _app.WaitForTicketsAsync("submit", 0);
    }

    [Fact]
    public async Task Queue_that_was_deleted_under_the_consumer_is_made_again_with_its_binding()
    {
        await _app.SchedulerAsync();
        await PublishAsync(new Message { Number = 1 });
        await LiveAsync(1);
        await _app.OnBrokerAsync(c => c.QueueDeleteAsync(_app.QueueName("submit")));
        await PublishWhenTakenAsync(new Message { Number = 2 });
        await LiveAsync(2);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Exchange_that_was_deleted_is_made_again()
    {
        await _app.SchedulerAsync();
        await PublishAsync(new Message { Number = 1 });
        await LiveAsync(1); // it consumes
        await _app.OnBrokerAsync(async c =>
        {
            await c.ExchangeDeleteAsync(_app.QueueName("submit"));
            return true;
        });
        await PublishWhenTakenAsync(new Message { Number = 2 });
        await LiveAsync(2);
    }

    [Fact]
    public async Task Stop_finishes_the_batch_under_way_so_that_even_messages_without_an_id_are_not_doubled()
    {
        await PublishAsync([.. Enumerable.Range(0, 15).Select(n => new Message { Number = n })]);
        await _app.WaitForTicketsAsync("submit", 15);
        await using var blocker = await _app.ConnectAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await LockAsync(blocker, "jobs.job");
        var host = await _app.SchedulerAsync();
        await Eventually.SeeAsync(() => _app.ScalarAsync<long>("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%insert into jobs.job %'"),
            n => n > 0, "the batch is being written", _app.Log.Tail);
        var stopping = _app.StopAsync(host);
        await transaction.CommitAsync();
        await stopping.InTimeAsync();
        var live = await _app.LiveAsync(); // the batch that was under way: all that had come by then
        Assert.InRange(live, 1, 15);
        await _app.WaitForTicketsAsync("submit", (uint)(15 - live));
    }

    private async Task LockAsync(NpgsqlConnection connection, string table)
    {
        await using var hold = new NpgsqlCommand(_app.InSchema($"lock table {table} in exclusive mode"), connection);
        await hold.ExecuteNonQueryAsync();
    }

    private Task PublishAsync(params IReadOnlyList<Message> messages) => Message.PublishAsync(_app, messages);

    /// <summary>As a sender does who waits for the broker's word: once more until the exchange is there and leads to a queue.</summary>
    private Task PublishWhenTakenAsync(Message message) => Eventually.SeeAsync(async () => await Record.ExceptionAsync(() => PublishAsync(message)), e => e is null, "the message is taken", _app.Log.Tail);

    private Task LiveAsync(long count) => Eventually.SeeAsync(_app.LiveAsync, n => n == count, $"{count} live jobs", _app.Log.Tail);

    private Task<string> FactAsync(int number, string expression) =>
        _app.ScalarAsync<string>($"select {expression} from jobs.job where (args->>'number')::int = $1", number);
}

/// <summary>A message as another program would send it.</summary>
internal sealed record Message
{
    public string? Id { get; init; }

    public string Type { get; init; } = "test.work";

    public int Number { get; init; }

    public string? Body { get; init; }

    public byte[]? Bytes { get; init; }

    public int? Priority { get; init; }

    public Dictionary<string, object?> Headers { get; init; } = [];

    public string? Expiration { get; init; }

    /// <summary>Each waits for the broker's word, which it does not give for a message that leads nowhere.</summary>
    public static Task PublishAsync(TestApp app, IReadOnlyList<Message> messages) => app.OnConfirmingBrokerAsync(async channel =>
    {
        var confirms = messages.Select(message =>
        {
            var properties = new BasicProperties { DeliveryMode = DeliveryModes.Persistent, Headers = message.Headers };
            if (message.Id is { } id)
            {
                properties.MessageId = id;
            }

            if (message.Priority is { } priority)
            {
                properties.Priority = (byte)priority;
            }

            if (message.Expiration is { } expiration)
            {
                properties.Expiration = expiration;
            }

            var body = message.Bytes ?? Encoding.UTF8.GetBytes(message.Body ?? $$"""{"number": {{message.Number}}}""");
            return channel.BasicPublishAsync(app.QueueName("submit"), message.Type, mandatory: true, properties, body).AsTask();
        }).ToList();
        await Task.WhenAll(confirms);
        return true;
    });
}
