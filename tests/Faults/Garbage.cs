using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using RabbitMQ.Client;

namespace Jobs.Tests.Faults;

/// <summary>Messages that are not tickets, from an AMQP client that is not the platform's.</summary>
[Collection(ServersCollection.Name)]
public sealed class Garbage(ServersFixture fixture, ITestOutputHelper output)
{
    private const string Reason = "x-jobs-reason";

    [Fact]
    public async Task Of_every_kind_is_set_aside_with_the_reason_while_all_jobs_run()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        arena.StartWorker();
        var garbage = Bodies().Select(b => (new BasicProperties(), b)).Concat(Wrappings(arena).Select(p => (p, "a strange envelope"u8.ToArray()))).ToList();
        await using (arena.Load.Start(perSecond: 200))
        {
            await Eventually.HoldsAsync("jobs run", async () => await arena.CountAsync("jobs.history") > 100);
            await arena.Broker.PublishAsync(garbage);
            await Eventually.HoldsAsync("all garbage is set aside", async () => await arena.Broker.DepthAsync("malformed") >= garbage.Count);
            var ended = await arena.CountAsync("jobs.history");
            await Eventually.HoldsAsync("jobs still run", async () => await arena.CountAsync("jobs.history") > ended + 100);
        }

        await TheTruth.AssertAsync(arena);
        await AssertMalformedAsync(arena, garbage.Select(g => g.Item2));
    }

    [Fact]
    public async Task Of_another_user_is_set_aside_like_any()
    {
        // The broker refuses a message that names another user than the one who publishes it; whoever passes it on must not repeat the name.
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        arena.StartWorker();
        await arena.Load.EnqueueAsync(100);
        await Eventually.HoldsAsync("jobs run", async () => await arena.CountAsync("jobs.history") > 0); // the first ticket makes the queue, behind the back of its caller
        await CreateUserAsync("stranger");
        await arena.Broker.PublishAsync([(new BasicProperties { UserId = "stranger" }, "not mine"u8.ToArray())], user: "stranger");
        await arena.Load.EnqueueAsync(100);
        await Eventually.HoldsAsync("it is set aside", async () => await arena.Broker.DepthAsync("malformed") >= 1);
        await TheTruth.AssertAsync(arena);
        await AssertMalformedAsync(arena, ["not mine"u8.ToArray()]);
    }

    [Fact]
    public async Task By_the_thousand_is_set_aside_at_once_while_all_jobs_run()
    {
        const int Messages = 5000;
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        arena.StartWorker();
        await using (arena.Load.Start(perSecond: 200))
        {
            await Eventually.HoldsAsync("jobs run", async () => await arena.CountAsync("jobs.history") > 0);
            await arena.Broker.PublishAsync(Enumerable.Range(0, Messages).Select(i => (new BasicProperties(), Encoding.UTF8.GetBytes($"garbage {i}"))));
            await Eventually.HoldsAsync("all of it is set aside", async () => await arena.Broker.DepthAsync("malformed") >= Messages);
        }

        await TheTruth.AssertAsync(arena);
        await AssertMalformedAsync(arena, Enumerable.Range(0, Messages).Select(i => Encoding.UTF8.GetBytes($"garbage {i}")));
    }

    [Fact]
    public async Task That_looks_like_tickets_and_markers_harms_nothing()
    {
        await using var arena = await Arena.OpenAsync(fixture.Servers, output);
        arena.StartScheduler();
        var worker = arena.StartWorker();
        var ended = await arena.Load.EnqueueAsync(200);
        await Eventually.HoldsAsync("they have run", async () => await arena.CountAsync("jobs.history") == 200);
        var running = await arena.Load.EnqueueAsync(5, n => new Work(n, Ms: 1500)); // leaves five slots free
        await Eventually.HoldsAsync("these run", () => worker.Started == 205);

        // Tickets of jobs that run or have ended, of other dispatches, and of jobs that never were; and a marker from the year 5138: all tickets have been delivered.
        JobId[] ids = [.. ended, .. running];
        string[] forged = [.. ids.Select(id => $"{id} 1"), .. ids.Select(id => $"{id} 7"), .. ids.Select(_ => $"{JobId.New()} 1"), "marker 99999999999", "marker 1"];
        await arena.Broker.PublishAsync(forged.Concat(forged).Select(f => (new BasicProperties(), Encoding.ASCII.GetBytes(f))));
        await Eventually.HoldsAsync("they have been read", async () => await arena.Broker.DepthAsync() == 0);
        await Eventually.HoldsAsync("all have ended", async () => await arena.CountAsync("jobs.job") == 0);

        await arena.KillAsync(worker);
        await arena.Load.EnqueueManyAsync(2500);
        await Eventually.HoldsAsync("all tickets wait", async () => await arena.Broker.DepthAsync() >= 2500);
        await Eventually.HoldsAsync("the reconciler has looked more than once", async () => await arena.AskAsync<bool>("select max(now() - enqueued_at) > interval '6 s' from jobs.job"));
        Assert.True(await arena.Broker.DepthAsync() < 2600, $"2,500 jobs have {await arena.Broker.DepthAsync()} tickets: a forged marker has them sent again and again");
        arena.StartWorker(concurrency: 50);
        await TheTruth.AssertAsync(arena);
    }

    private static IEnumerable<byte[]> Bodies()
    {
        var id = JobId.New();
        string[] texts =
        [
            "", " ", "garbage", "{\"id\": 1}", $"{id}", $"{id} ", $"{id} 0", $"{id} -1", $"{id} 1 ", $" {id} 1", $"{id}  1", $"{id} 1x", $"{id} 99999999999", $"{id.Value:N} 1",
            $"{id}\t1", $"{{{id}}} 1", "marker", "marker ", "marker x", "marker NaN", "marker Infinity", "marker -1", "marker 0", "marker 1e300", "marker 1 1", "Marker 1",
            "\0\0\0\0", "ünïcödé 💥", "'; drop table job; --",
        ];
        return texts.Select(Encoding.UTF8.GetBytes)
            .Append(Enumerable.Range(0, 256).Select(i => (byte)i).ToArray())
            .Append([0xff, 0xfe, 0xc3, 0x28])
            .Append(new byte[1_000_000]);
    }

    private static IEnumerable<BasicProperties> Wrappings(Arena arena)
    {
        yield return new BasicProperties { Persistent = false, ContentType = "application/json", ContentEncoding = "gzip", Type = "ticket", AppId = "jobs", MessageId = "1" };
        yield return new BasicProperties { Priority = 255, Expiration = "3600000", ReplyTo = "nowhere", CorrelationId = "1" };
        yield return new BasicProperties { Timestamp = new AmqpTimestamp(long.MaxValue) };
        yield return new BasicProperties { UserId = new Uri(arena.Servers.RabbitMq).UserInfo.Split(':')[0] };
        yield return new BasicProperties
        {
            Headers = new Dictionary<string, object?>
            {
                [Reason] = "forged", ["x-jobs-queue"] = 1, ["x-death"] = "forged", ["x-delivery-count"] = -1, ["nothing"] = null, ["bytes"] = new byte[] { 0, 255 },
                ["list"] = new List<object?> { 1, "two", new Dictionary<string, object?> { ["deep"] = 3.0 } }, ["time"] = new AmqpTimestamp(1), ["flag"] = true, ["number"] = 1.5m,
            },
        };

        // Sender-selected distribution: whoever passes these on with their headers publishes them into the queue they came from, again and again.
        yield return new BasicProperties { Headers = new Dictionary<string, object?> { ["CC"] = new List<object?> { arena.Broker.NameOf("nowhere") } } };
        yield return new BasicProperties { Headers = new Dictionary<string, object?> { ["CC"] = new List<object?> { arena.Broker.NameOf("default") }, ["BCC"] = new List<object?>() } };
    }

    private static async Task AssertMalformedAsync(Arena arena, IEnumerable<byte[]> bodies)
    {
        var malformed = await arena.Broker.DrainAsync("malformed");
        Assert.All(malformed, m =>
        {
            var reason = Encoding.UTF8.GetString((byte[])m.BasicProperties.Headers![Reason]!);
            Assert.StartsWith("Not a ticket", reason);
            Assert.Equal(arena.Broker.NameOf("default"), Encoding.UTF8.GetString((byte[])m.BasicProperties.Headers!["x-jobs-queue"]!));
        });
        var missing = bodies.Select(Text).ToList();
        var found = malformed.Select(m => Text(m.Body.ToArray())).ToList();
        found.RemoveAll(missing.Remove);
        Assert.True(missing.Count + found.Count == 0, $"not set aside: {string.Join(" | ", missing)}; never published, or set aside twice: {string.Join(" | ", found)}");
    }

    private static string Text(byte[] body) => body.Length > 1000 ? $"{body.Length} bytes" : Encoding.Latin1.GetString(body);

    private async Task CreateUserAsync(string user)
    {
        var servers = fixture.Servers;
        using var http = new HttpClient { BaseAddress = new Uri(servers.Management) };
        var admin = new Uri(servers.RabbitMq).UserInfo;
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(admin))));
        (await http.PutAsJsonAsync($"api/users/{user}", new { password = user, tags = "" })).EnsureSuccessStatusCode();
        (await http.PutAsJsonAsync($"api/permissions/%2F/{user}", new { configure = ".*", write = ".*", read = ".*" })).EnsureSuccessStatusCode();
    }
}
