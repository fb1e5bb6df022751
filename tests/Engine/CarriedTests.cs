using RabbitMQ.Client;

namespace Jobs.Tests.Engine;

/// <summary>Tags and metadata: over every way in, to the handler, into history; and what is refused.</summary>
public sealed class CarriedTests : IAsyncLifetime
{
    private static readonly EnqueueOptions Options = new() { Tags = ["vip", "Größe 😀", "vip"], Metadata = new Dictionary<string, string> { ["tenant"] = "42", ["Straße"] = "\"😀\"\n" } };

    private TestApp _app = null!;

    public async Task InitializeAsync() => _app = await TestApp.CreateAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Client_carries_them_one_by_one_and_many_at_once_and_by_name_and_in_a_transaction()
    {
        var one = await _app.Jobs.EnqueueAsync(new Work(), Options);
        await _app.Jobs.EnqueueManyAsync([new Work(1), new Work(2)], w => w.Number == 1 ? Options : null);
        var json = await _app.Jobs.EnqueueJsonAsync("test.work", "{}", Options);
        await using var connection = await _app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var own = await _app.Jobs.EnqueueAsync(new Work(), transaction, Options);
        var unique = await _app.Jobs.EnqueueAsync(new Work(), transaction, Options with { Unique = new() { Key = "k" } });
        await transaction.CommitAsync();
        Assert.Equal(5, (await _app.Operator.ListAsync(new() { Tags = ["Größe 😀", "vip"] })).Count);
        Assert.All(await _app.Operator.ListAsync(new() { Tags = ["vip"] }), Check);
        Assert.Single(await _app.Operator.ListAsync(new()), j => j.Tags.Count == 0 && j.Metadata.Count == 0);
        foreach (var id in new[] { one, json, own, unique })
        {
            Check(await _app.GetAsync(id));
        }
    }

    [Fact]
    public async Task Handler_sees_the_metadata_and_history_keeps_both()
    {
        await _app.WorkerAsync(Runs.InOrder(() => JobOutcome.RetryAfter(TimeSpan.FromMilliseconds(1), "again"), () => JobOutcome.Succeeded));
        await _app.SchedulerAsync();
        var id = await _app.Jobs.EnqueueAsync(new Work(), Options);
        Check(await _app.EndedAsync(id));
        Assert.Equal(2, _app.Runs.Count);
        Assert.All(_app.Runs, r => Assert.Equal(Options.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal), r.Context.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal)));
    }

    [Fact]
    public async Task Plain_sql_carries_them_by_the_function_and_by_the_outbox()
    {
        const string Values = """array['vip', 'Größe 😀', 'vip'], '{"tenant": "42", "Straße": "\"😀\"\n"}'""";
        Check(await _app.GetAsync(new(await _app.ScalarAsync<Guid>($"select jobs.enqueue('test.work', '{{}}', tags => {Values.Replace(", '{", ", meta => '{", StringComparison.Ordinal)})"))));
        Check(await _app.GetAsync(new(await _app.ScalarAsync<Guid>($"insert into jobs.outbox (type, args, tags, meta) values ('test.work', '{{}}', {Values}) returning id"))));
        var none = await _app.GetAsync(new(await _app.ScalarAsync<Guid>("select jobs.enqueue('test.work', '{}', tags => '{}', meta => '{}')")));
        Assert.Equal((0, 0), (none.Tags.Count, none.Metadata.Count));
        Assert.True(await _app.ScalarAsync<bool>("select tags is null and meta is null from jobs.job where id = $1", none.Id.Value));
    }

    [Fact]
    public async Task Metadata_that_is_no_object_of_texts_is_refused_from_sql()
    {
        foreach (var (meta, expected) in new[]
        {
            ("[]", "The metadata is not a JSON object; use one whose values are texts"),
            ("""{"a": 1}""", "The metadata \"a\" is not a text; use texts only."),
            ("""{"a": "b", "c": null}""", "The metadata \"c\" is not a text; use texts only."),
        })
        {
            var error = await Assert.ThrowsAsync<Npgsql.PostgresException>(() => _app.SqlAsync("select jobs.enqueue('test.work', '{}', meta => $1::text::json)", meta));
            Assert.StartsWith(expected, error.MessageText, StringComparison.Ordinal);
            Assert.Equal("22023", error.SqlState);
        }

        Assert.Equal(0, await _app.LiveAsync());
    }

    [Fact]
    public async Task Message_carries_them_as_texts_or_as_a_list_and_a_table()
    {
        await _app.DeclareSubmitAsync();
        await _app.SchedulerAsync();
        await Message.PublishAsync(_app,
        [
            new() { Headers = { ["x-jobs-tags"] = "vip, Größe 😀,vip", ["x-jobs-meta"] = """{"tenant": "42", "Straße": "\"😀\"\n"}""" } },
            new() { Headers = { ["x-jobs-tags"] = new List<object> { "vip", "Größe 😀" }, ["x-jobs-meta"] = new Dictionary<string, object?> { ["tenant"] = 42, ["Straße"] = "\"😀\"\n" } } },
        ]);
        Assert.All(await Eventually.SeeAsync(() => _app.Operator.ListAsync(new()), l => l.Count == 2, "both jobs", _app.Log.Tail), Check);
        await _app.WaitForTicketsAsync("submit", 0);
    }

    [Fact]
    public async Task Context_carries_them_with_its_save()
    {
        await using var shop = await ShopHost.StartAsync(_app);
        var db = shop.Context();
        var id = db.Jobs().Enqueue(new Work(), Options);
        var plain = db.Jobs().Enqueue(new Work());
        await db.SaveChangesAsync();
        Check(await _app.GetAsync(id));
        Assert.Empty((await _app.GetAsync(plain)).Tags);
    }

    [Fact]
    public async Task Tags_and_metadata_at_their_limits_are_taken_and_over_them_refused()
    {
        var most = new EnqueueOptions { Tags = [.. Enumerable.Range(0, 20).Select(n => $"{n}".PadLeft(100, 'ä'))], Metadata = new Dictionary<string, string> { ["a"] = new string('x', 4088) } };
        Assert.Equal(most.Tags, (await _app.GetAsync(await _app.Jobs.EnqueueAsync(new Work(), most))).Tags);
        Assert.Equal(most.Tags, (await _app.GetAsync(new(await _app.ScalarAsync<Guid>("select jobs.enqueue('test.work', '{}', tags => $1, meta => $2::text::json)",
            most.Tags.ToArray(), $$"""{"a":"{{most.Metadata["a"]}}"}""")))).Tags);
        static EnqueueOptions Meta(string name, string value) => new() { Metadata = new Dictionary<string, string> { [name] = value } };
        foreach (var (options, expected) in new (EnqueueOptions, string)[]
        {
            (new() { Tags = [.. Enumerable.Range(0, 21).Select(n => $"t{n}")] }, "The job has 21 tags; at most 20 are allowed. What is only to be carried along goes into Metadata."),
            (new() { Tags = ["a", ""] }, "The tag \"\" is not allowed; use 1 to 100 characters, none of them NUL."),
            (new() { Tags = [null!] }, "The tag \"\" is not allowed"),
            (new() { Tags = [new string('t', 101)] }, "The tag \"tttttttttttttttttttttttt...\" has 101 characters; at most 100 are allowed."),
            (new() { Tags = ["a\0b"] }, "A tag holds a NUL or half of a surrogate pair; use 1 to 100 characters of text."),
            (new() { Tags = ["\ud83d"] }, "A tag holds a NUL or half of a surrogate pair"),
            (Meta("a", new string('x', 4089)), "The metadata has 4097 bytes of JSON; at most 4096 are allowed, and no NUL. What the work needs belongs into the arguments."),
            (Meta("a", new string('ä', 2045)), "The metadata has 4098 bytes"),
            (Meta("a", "b\0"), "and no NUL"),
            (Meta("a\0", "b"), "and no NUL"),
            (Meta("a", null!), "The metadata \"a\" is not a text; use texts only."),
        })
        {
            Assert.Contains(expected, (await Assert.ThrowsAsync<ArgumentException>(() => _app.Jobs.EnqueueAsync(new Work(), options))).Message, StringComparison.Ordinal);
        }

        Assert.Equal(2, await _app.LiveAsync());
        await _app.Jobs.EnqueueAsync(new Work(), Meta("a", "\\u0000")); // a backslash, no NUL
        await _app.SqlAsync("""select jobs.enqueue('test.work', '{}', meta => '{"a": "\\u0000"}')""");
    }

    private static void Check(JobInfo job)
    {
        Assert.Equal(["vip", "Größe 😀"], job.Tags);
        Assert.Equal(Options.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal), job.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal));
    }
}
