using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using RabbitMQ.Client;

namespace Jobs.Tests.Engine;

/// <summary>Tickets are hints: readable for people, and lost, doubled or forged without harm.</summary>
public sealed class TicketTests
{
    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Jobs_whose_tickets_were_purged_or_deleted_with_their_queue_all_run(bool delete)
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 50).Select(n => new Work(n)));
        await app.WaitForTicketsAsync("default", 50);
        Assert.Equal(50u, await app.OnBrokerAsync(c => delete ? c.QueueDeleteAsync(app.QueueName("default")) : c.QueuePurgeAsync(app.QueueName("default"))));
        await app.WorkerAsync(Runs.Done);
        await app.SchedulerAsync();
        await app.AllEndedAsync(50);
        Assert.Equal(Enumerable.Range(0, 50), app.Runs.Select(r => r.Job.Number).Order());
        await app.LoggedAsync(1520);
        Assert.All(await app.Operator.ListAsync(new()), j => Assert.Equal((1, 0, 0), (j.Attempt, j.Failures, j.Crashes)));
    }

    [Fact]
    public async Task Ticket_tells_people_and_tools_what_it_is()
    {
        await using var app = await TestApp.CreateAsync();
        var before = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var id = await app.Jobs.EnqueueAsync(new Work(), new() { Priority = 29 });
        await app.WaitForTicketsAsync("default", 1);
        var ticket = await app.OnBrokerAsync(c => c.BasicGetAsync(app.QueueName("default"), autoAck: true));
        Assert.NotNull(ticket);
        Assert.Equal($"{id} 1", Encoding.UTF8.GetString(ticket.Body.Span));
        var p = ticket.BasicProperties;
        Assert.Equal(("test.work", id.ToString(), "jobs"), (p.Type, p.MessageId, p.AppId));
        Assert.Equal(((byte)29, true), (p.Priority, p.Persistent));
        Assert.InRange(p.Timestamp.UnixTime, before, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());
    }

    [Fact]
    public async Task Marker_comes_out_behind_every_older_ticket_whatever_its_priority()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 12).Select(n => new Work(n)), w => new() { Priority = w.Number % 6 });
        await app.WaitForTicketsAsync("default", 12);
        Assert.True(await app.Markers.SendAsync("default", 1764000000.5, default));
        var bodies = new List<string>();
        while (await app.OnBrokerAsync(c => c.BasicGetAsync(app.QueueName("default"), autoAck: true)) is { } message)
        {
            bodies.Add(Encoding.UTF8.GetString(message.Body.Span));
        }

        Assert.Equal(13, bodies.Count);
        Assert.Equal("marker 1764000000.5", bodies[^1]);
    }

    [Fact]
    public async Task Ticket_that_comes_many_times_runs_its_job_once()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync);
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;
        for (var i = 0; i < 20; i++)
        {
            await PublishAsync(app, $"{id} 1");
        }

        gate.Open();
        await app.EndedAsync(id);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work())); // behind them
        Assert.Equal(2, app.Runs.Count);
        await app.WaitForTicketsAsync("default", 0);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Forged_ticket_of_a_job_that_does_not_exist_or_is_not_due_runs_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        var later = await app.Jobs.EnqueueAsync(new Work(), new() { Delay = TimeSpan.FromHours(1) });
        await app.WorkerAsync(Runs.Done);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(1))); // the queue is there now
        await PublishAsync(app, $"{JobId.New()} 1");
        await PublishAsync(app, $"{later} 1");
        await PublishAsync(app, $"{later} 2");
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(2)));
        Assert.Equal([1, 2], app.Runs.Select(r => r.Job.Number));
        Assert.Equal(JobState.Scheduled, (await app.GetAsync(later)).State);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task What_is_not_a_ticket_is_set_aside_with_the_reason_and_the_worker_goes_on()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        string[] garbage = ["", "hello", $"{JobId.New()}", $"{JobId.New()} 0", $"{JobId.New()} 1 ", "marker", "marker x", new string('z', 100_000)];
        foreach (var body in garbage)
        {
            await PublishAsync(app, body, new BasicProperties { Headers = new Dictionary<string, object?> { ["mine"] = 1 }, Expiration = "3600000" });
        }

        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        await app.WaitForTicketsAsync("malformed", (uint)garbage.Length);
        foreach (var body in garbage)
        {
            var message = await app.OnBrokerAsync(c => c.BasicGetAsync(app.QueueName("malformed"), autoAck: true));
            Assert.Equal(body, Encoding.UTF8.GetString(message!.Body.Span));
            var headers = message.BasicProperties.Headers!;
            Assert.StartsWith("Not a ticket: the body must be", Encoding.UTF8.GetString((byte[])headers["x-jobs-reason"]!), StringComparison.Ordinal);
            Assert.Equal(app.QueueName("default"), Encoding.UTF8.GetString((byte[])headers["x-jobs-queue"]!));
            Assert.Equal((1, true, null), (headers["mine"], message.BasicProperties.Persistent, message.BasicProperties.Expiration));
        }

        await app.WaitForTicketsAsync("default", 0);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Connections_are_named_by_app_and_purpose()
    {
        await using var app = await TestApp.CreateAsync();
        if (app.Servers.Management is not { } management)
        {
            return; // external servers may have no management plugin
        }

        await app.WorkerAsync(Runs.Done, options: o => o.AppName = app.Schema);
        await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work()));
        var user = new Uri(app.Servers.RabbitMq).UserInfo;
        using var http = new HttpClient { BaseAddress = new Uri(management) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(user))));
        var place = $"({Environment.MachineName}:{Environment.ProcessId})";
        await Eventually.SeeAsync(async () =>
        {
            using var connections = JsonDocument.Parse(await http.GetStringAsync("/api/connections"));
            return string.Join('\n', connections.RootElement.EnumerateArray().Select(c => c.TryGetProperty("user_provided_name", out var name) ? name.GetString() : ""));
        }, names => names.Contains($"{app.Schema} consume {place}", StringComparison.Ordinal) && names.Contains($"{app.Schema} publish {place}", StringComparison.Ordinal),
            "both connections by name");
    }

    private static Task<bool> PublishAsync(TestApp app, string body, BasicProperties? properties = null) => app.OnBrokerAsync(async channel =>
    {
        await channel.BasicPublishAsync("", app.QueueName("default"), mandatory: true, properties ?? new BasicProperties(), Encoding.UTF8.GetBytes(body));
        return true;
    });
}
