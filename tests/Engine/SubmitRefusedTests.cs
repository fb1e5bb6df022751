using System.Text;
using RabbitMQ.Client;

namespace Jobs.Tests.Engine;

/// <summary>Messages that cannot become jobs: each ends in the queue of malformed messages, with a reason that says what to change, and its neighbours run.</summary>
public sealed class SubmitRefusedTests
{
    private static readonly (Message Message, string Reason)[] Cases =
    [
        (new() { Type = "no type" }, "The job type \"no type\" is not allowed; use letters, digits"),
        (new() { Type = "" }, "The job type is empty"),
        (new() { Type = new string('t', 101) }, "has 101 characters; at most 100 are allowed"),
        (new() { Body = "{\"a\": 1,\n 'b': 2}" }, "The arguments of \"test.work\" are not JSON: ''' is an invalid start of a property name. Expected a '\"'. LineNumber: 1 | BytePositionInLine: 1."),
        (new() { Body = "" }, "The arguments of \"test.work\" are not JSON"),
        (new() { Body = "{} {}" }, "The arguments of \"test.work\" are not JSON"),
        (new() { Bytes = [(byte)'"', 0xC3, 0x28, (byte)'"'] }, "The arguments of \"test.work\" are not UTF-8"),
        (new() { Body = $"\"{new string('x', 300_000)}\"" }, "has 300,002 bytes; the limit is 262,144. Store the bulk elsewhere and pass a reference"),
        (new() { Priority = 32 }, "The priority 32 is not allowed; use 0 (lowest) to 31 (highest)."),
        (new() { Headers = { ["x-jobs-queue"] = "a/b" } }, "The queue name \"a/b\" is not allowed; use letters"),
        (new() { Headers = { ["x-jobs-queue"] = "submit" } }, "The queue name \"submit\" is taken by the queue for jobs that come in over AMQP; choose another."),
        (new() { Headers = { ["x-jobs-delay"] = -5 } }, "The delay -00:00:05 is not allowed; use 0 to 3653 days"),
        (new() { Headers = { ["x-jobs-delay"] = 1e300 } }, "is not allowed; use 0 to 3653 days"),
        (new() { Headers = { ["x-jobs-delay"] = "soon" } }, "The header x-jobs-delay is \"soon\"; use a number of seconds, for example 90 or 0.5."),
        (new() { Headers = { ["x-jobs-delay"] = "NaN" } }, "The header x-jobs-delay is \"NaN\"; use a number of seconds"),
        (new() { Headers = { ["x-jobs-delay"] = true } }, "The header x-jobs-delay is \"True\"; use a number of seconds"),
        (new() { Headers = { ["x-jobs-delay"] = 5, ["x-jobs-run-at"] = "2030-01-01T00:00:00Z" } }, "Delay and RunAt are both set; set one of them."),
        (new() { Headers = { ["x-jobs-run-at"] = "2030-01-01T00:00:00" } }, "The header x-jobs-run-at is \"2030-01-01T00:00:00\"; use an AMQP timestamp, or a time with its offset"),
        (new() { Headers = { ["x-jobs-run-at"] = "10000-01-01T00:00:00Z" } }, "The header x-jobs-run-at is \"10000-01-01T00:00:00Z\"; use"),
        (new() { Headers = { ["x-jobs-run-at"] = "2200-01-01T00:00:00Z" } }, "The time 2200-01-01T00:00:00"),
        (new() { Headers = { ["x-jobs-run-at"] = new AmqpTimestamp(long.MaxValue) } }, "is the timestamp 9223372036854775807, which is beyond any calendar"),
        (new() { Headers = { ["x-jobs-unique-key"] = "" } }, "The unique key is empty"),
        (new() { Headers = { ["x-jobs-unique-key"] = new string('k', 201) } }, "has 201 characters; at most 200 are allowed"),
        (new() { Headers = { ["x-jobs-expires"] = 0 } }, "The expiry 00:00:00 is not allowed; use more than 0"),
        (new() { Headers = { ["x-jobs-timeout"] = "0.001" } }, "The timeout 00:00:00.0010000 is not allowed; use 10 ms to 30 days."),
        (new() { Headers = { ["x-jobs-tags"] = "a,,b" } }, "The tag \"\" is not allowed; use 1 to 100 characters"),
        (new() { Headers = { ["x-jobs-tags"] = new string('t', 101) } }, "has 101 characters; at most 100 are allowed"),
        (new() { Headers = { ["x-jobs-meta"] = "tenant=42" } }, "The header x-jobs-meta is \"tenant=42\"; use a table, or a JSON object, of texts"),
        (new() { Headers = { ["x-jobs-meta"] = """{"a": 1}""" } }, "The header x-jobs-meta is \"{\"a\": 1}\"; use a table, or a JSON object, of texts"),
        (new() { Headers = { ["x-jobs-meta"] = new Dictionary<string, object?> { ["a"] = null } } }, "The metadata \"a\" is not a text; use texts only."),
        (new() { Headers = { ["x-jobs-dely"] = 5 } }, "There is no header \"x-jobs-dely\"; did you mean x-jobs-delay?"),
        (new() { Headers = { ["X-Jobs-Queue"] = "mail" } }, "There is no header \"X-Jobs-Queue\"; did you mean x-jobs-queue?"),
        (new() { Headers = { ["x-jobs-colour"] = "red" } }, "There is no header \"x-jobs-colour\"; use x-jobs-queue, x-jobs-delay,"),
        (new() { Id = "" }, "The message id is empty"),
        (new() { Id = "a\0b" }, "The message id holds a control character"),
        (new() { Id = new string('i', 201) }, "has 201 characters; at most 200 are allowed"),
    ];

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Each_is_set_aside_with_its_reason_and_its_properties_and_its_neighbours_run()
    {
        await using var app = await TestApp.CreateAsync();
        await app.DeclareSubmitAsync();
        var messages = Cases.SelectMany((c, i) => new[]
        {
            c.Message with { Headers = new(c.Message.Headers) { ["mine"] = i }, Expiration = "3600000" },
            new Message { Number = i, Id = $"good {i}" },
        });
        await Message.PublishAsync(app, [.. messages]);
        await app.WaitForTicketsAsync("submit", (uint)Cases.Length * 2);
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done);
        await app.AllEndedAsync(Cases.Length);
        Assert.Equal(Enumerable.Range(0, Cases.Length), app.Runs.Select(r => r.Job.Number).Order());
        await app.WaitForTicketsAsync("malformed", (uint)Cases.Length);
        await app.WaitForTicketsAsync("submit", 0);
        for (var n = 0; n < Cases.Length; n++)
        {
            var found = (await app.OnBrokerAsync(c => c.BasicGetAsync(app.QueueName("malformed"), autoAck: true)))!;
            var headers = found.BasicProperties.Headers!;
            var (message, reason) = Cases[(int)headers["mine"]!];
            Assert.Contains(reason, Text(headers["x-jobs-reason"]), StringComparison.Ordinal);
            Assert.Equal(message.Type, Text(headers["x-jobs-type"]));
            Assert.Equal(message.Bytes ?? Encoding.UTF8.GetBytes(message.Body ?? """{"number": 0}"""), found.Body.ToArray());
            Assert.Equal((message.Id, (byte)(message.Priority ?? 0), true, null),
                (found.BasicProperties.MessageId, found.BasicProperties.Priority, found.BasicProperties.Persistent, found.BasicProperties.Expiration));
        }
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_Postgres_refuses_is_set_aside_alone()
    {
        await using var app = await TestApp.CreateAsync();
        await app.DeclareSubmitAsync();
        await app.SqlAsync("""
            create function jobs.refuse() returns trigger language plpgsql as $$
            begin
              if new.args->>'number' in ('3', '17') then raise 'no such number %', new.args->>'number' using errcode = '22023'; end if;
              return new;
            end $$;
            create trigger refuse before insert on jobs.job for each row execute function jobs.refuse();
            """);
        await Message.PublishAsync(app, [.. Enumerable.Range(0, 20).Select(n => new Message { Number = n, Id = n % 2 == 0 ? null : $"m{n}" })]);
        await app.WaitForTicketsAsync("submit", 20);
        await app.SchedulerAsync();
        await app.WaitForTicketsAsync("malformed", 2);
        await app.WaitForTicketsAsync("submit", 0);
        Assert.Equal(18, await app.LiveAsync());
        var refused = await app.OnBrokerAsync(c => c.BasicGetAsync(app.QueueName("malformed"), autoAck: true));
        Assert.Contains("no such number 3", Text(refused!.BasicProperties.Headers!["x-jobs-reason"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Set_aside_message_that_is_moved_back_to_the_queue_keeps_its_type()
    {
        await using var app = await TestApp.CreateAsync();
        await app.DeclareSubmitAsync();
        var strict = await app.SchedulerAsync(options: o => o.MaxArgumentBytes = 20);
        await Message.PublishAsync(app, [new Message { Type = "test.other", Id = "m", Priority = 20, Body = """{"number": 7, "more": 8}""" }]);
        await app.WaitForTicketsAsync("malformed", 1);
        await app.StopAsync(strict);
        await app.OnBrokerAsync(async channel => // as the UI's "Move messages" does
        {
            var message = (await channel.BasicGetAsync(app.QueueName("malformed"), autoAck: true))!;
            await channel.BasicPublishAsync("", app.QueueName("submit"), mandatory: true, new BasicProperties(message.BasicProperties), message.Body);
            return true;
        });
        await app.SchedulerAsync();
        var job = (await Eventually.SeeAsync(() => app.Operator.ListAsync(new()), l => l.Count == 1, "the job", app.Log.Tail))[0];
        Assert.Equal(("test.other", 20, """{"number": 7, "more": 8}"""), (job.Type, (int)job.Priority, job.Arguments));
    }

    [Fact]
    public async Task Message_that_went_straight_to_the_queue_is_told_to_use_the_exchange()
    {
        await using var app = await TestApp.CreateAsync();
        await app.DeclareSubmitAsync();
        await app.SchedulerAsync();
        await app.OnBrokerAsync(async channel =>
        {
            await channel.BasicPublishAsync("", app.QueueName("submit"), mandatory: true, "{}"u8.ToArray());
            return true;
        });
        await app.WaitForTicketsAsync("malformed", 1);
        var refused = await app.OnBrokerAsync(c => c.BasicGetAsync(app.QueueName("malformed"), autoAck: true));
        Assert.Contains("Publish to the exchange, with the job type as routing key.", Text(refused!.BasicProperties.Headers!["x-jobs-reason"]), StringComparison.Ordinal);
    }

    private static string Text(object? header) => Encoding.UTF8.GetString((byte[])header!);
}
