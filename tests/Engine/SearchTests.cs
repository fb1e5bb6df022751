namespace Jobs.Tests.Engine;

/// <summary>Looking for jobs: every filter, over live and ended ones, in pages that go on where no index serves.</summary>
public sealed class SearchTests : IAsyncLifetime
{
    private readonly Guid _session = Guid.NewGuid();
    private TestApp _app = null!;

    public async Task InitializeAsync()
    {
        _app = await TestApp.CreateAsync();
        await _app.EarlierAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Jobs_are_found_live_and_ended_by_id_tag_and_batch()
    {
        var batch = await _app.Jobs.CreateBatchAsync();
        JobId[] ids =
        [
            await _app.Jobs.EnqueueAsync(new Work(0), new() { Tags = ["a", "b"], Batch = batch }),
            await _app.Jobs.EnqueueAsync(new Work(1), new() { Tags = ["a"] }),
            await _app.Jobs.EnqueueAsync(new Work(2), new() { Tags = ["b", "a", "c"] }),
            await _app.Jobs.EnqueueAsync(new Work(3), new() { Batch = batch }),
            await _app.Jobs.EnqueueAsync(new Work(4)),
        ];
        await SucceedAsync(ids[0], ids[1], ids[4]);
        Assert.Equal([2, 1, 0], await NumbersAsync(new() { Tags = ["a"] }));
        Assert.Equal([2, 0], await NumbersAsync(new() { Tags = ["a", "b"] }));
        Assert.Empty(await NumbersAsync(new() { Tags = ["a", "d"] }));
        Assert.Equal([3, 0], await NumbersAsync(new() { Batch = batch }));
        Assert.Equal([3], await NumbersAsync(new() { Batch = batch, State = JobState.Queued }));
        Assert.Equal([4, 2, 0], await NumbersAsync(new() { Ids = [ids[0], ids[2], ids[4], JobId.New()] }));
        Assert.Equal([0], await NumbersAsync(new() { Ids = [ids[0], ids[2]], State = JobState.Succeeded, Tags = ["b"] }));
        Assert.Equal([1, 0], await NumbersAsync(new() { Tags = ["a"] }, new() { Below = ids[2] }));
        Assert.Equal([2], await NumbersAsync(new() { Tags = ["a"] }, new() { Limit = 1 }));
    }

    [Fact]
    public async Task Jobs_are_found_by_when_they_were_enqueued_and_by_when_they_ended()
    {
        var now = new DateTimeOffset(await _app.ScalarAsync<DateTime>("select now()"));
        DateTimeOffset Ago(double hours) => now.AddHours(-hours);
        for (var n = 0; n < 4; n++)
        {
            await _app.Jobs.EnqueueAsync(new Work(n), new() { Id = new JobId(Guid.CreateVersion7(Ago(n))) });
        }

        await _app.SqlAsync("update jobs.job set enqueued_at = now() - make_interval(hours => (args->>'number')::int)");
        var ids = (await _app.Operator.ListAsync(new())).Select(j => j.Id).ToList();
        await SucceedAsync(ids[1], ids[3]);
        await _app.SqlAsync("update jobs.history set ended_at = ended_at - interval '30 seconds' where id = $1", ids[3].Value);
        Assert.Equal([0, 1], await NumbersAsync(new() { EnqueuedFrom = Ago(1.5) }));
        Assert.Equal([2, 3], await NumbersAsync(new() { EnqueuedTo = Ago(1.5) }));
        Assert.Equal([1, 2], await NumbersAsync(new() { EnqueuedFrom = Ago(2.5), EnqueuedTo = Ago(0.5) }));
        Assert.Equal([1, 3], await NumbersAsync(new() { EndedFrom = now.AddMinutes(-2) }));
        var between = new DateTimeOffset(await _app.ScalarAsync<DateTime>("select max(ended_at) - interval '10 seconds' from jobs.history"));
        Assert.Equal([1], await NumbersAsync(new() { EndedFrom = between }));
        Assert.Equal([3], await NumbersAsync(new() { EndedTo = between }));
        Assert.Equal([3], await NumbersAsync(new() { EndedFrom = between.AddMinutes(-2), EndedTo = between, Type = "test.work" }));
        Assert.Empty(await NumbersAsync(new() { EndedFrom = now.AddMinutes(-2), State = JobState.Queued }));
    }

    [Fact]
    public async Task Jobs_are_found_by_what_their_error_says_and_by_a_field_of_their_arguments()
    {
        JobId[] ids =
        [
            await _app.Jobs.EnqueueJsonAsync("test.work", """{"number": 0, "to": "a@b.c", "customer": {"id": 42}}"""),
            await _app.Jobs.EnqueueJsonAsync("test.work", """{"number": 1, "to": "a@b.c", "customer": {"id": 7}}"""),
            await _app.Jobs.EnqueueJsonAsync("test.work", """{"number": 2, "to": "x", "customer": {"id": 42}, "text": "\ud83d\ude00"}"""),
        ];
        await _app.ClaimAsync(_session, ids[0]);
        await _app.EndAsync(_session, ids[0], 1); // type x, message y
        Assert.Equal([1, 0], await NumbersAsync(new() { Where = new Dictionary<string, string> { ["to"] = "a@b.c" } }));
        Assert.Equal([2, 0], await NumbersAsync(new() { Where = new Dictionary<string, string> { ["customer.id"] = "42" } }));
        Assert.Equal([0], await NumbersAsync(new() { Where = new Dictionary<string, string> { ["customer.id"] = "42", ["to"] = "a@b.c" } }));
        Assert.Empty(await NumbersAsync(new() { Where = new Dictionary<string, string> { ["customer.id.x"] = "42" } }));
        Assert.Equal([0], await NumbersAsync(new() { Error = "X: Y" }));
        Assert.Equal([0], await NumbersAsync(new() { Error = "y", State = JobState.Failed, Type = "test.work", Queue = "default" }));
        Assert.Empty(await NumbersAsync(new() { Error = "z" }));
        Assert.Equal([0], await NumbersAsync(new() { State = JobState.Failed }));
        Assert.Empty(await NumbersAsync(new() { State = JobState.Cancelled }));
    }

    [Theory]
    [InlineData("""{"number": 9, "text": "\u0000"}""")]
    [InlineData("""{"number": 9, "text": "\ud800"}""")]
    [InlineData("""{"number": 9, "text": "\udc00\ud83d\ude00"}""")]
    public async Task Job_whose_arguments_are_no_text_for_the_database_does_not_fail_the_search(string arguments)
    {
        await _app.Jobs.EnqueueJsonAsync("test.work", arguments);
        await _app.Jobs.EnqueueAsync(new Work(1, "a"));
        Assert.Equal([1], await NumbersAsync(new() { Where = new Dictionary<string, string> { ["text"] = "a" } }));
    }

    [Fact]
    public async Task Page_that_no_index_serves_says_how_far_back_it_looked_and_the_next_one_goes_on_there()
    {
        await FillHistoryAsync(45_000);
        var oldest = await _app.ScalarAsync<Guid>("select min(id::text)::uuid from jobs.history");
        await _app.SqlAsync("""update jobs.history set args = '{"number": 7}' where id = $1""", oldest);
        var live = await _app.Jobs.EnqueueAsync(new Work(8));
        await _app.SqlAsync("""update jobs.job set args = '{"number": 7}' where id = $1""", live.Value);
        var filter = new JobFilter { Where = new Dictionary<string, string> { ["number"] = "7" } };

        var first = await _app.Operator.ListAsync(filter);
        Assert.Equal([live], first.Select(j => j.Id));
        Assert.Equal(first.Next, first.SearchedBack);
        Assert.Contains($"looks through 20,000 jobs at most: this one back to those of {first.Next!.Value.CreatedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC. Go on below {first.Next}", first.Warning);
        Assert.Equal(20_000, await AboveAsync(first.Next!.Value));
        var second = await _app.Operator.ListAsync(filter, new() { Below = first.Next });
        Assert.Empty(second);
        Assert.Equal(40_000, await AboveAsync(second.Next!.Value));
        var third = await _app.Operator.ListAsync(filter, new() { Below = second.Next });
        Assert.Equal([new JobId(oldest)], third.Select(j => j.Id));
        Assert.Equal((null, null, null), (third.Next, third.SearchedBack, third.Warning));
    }

    [Fact]
    public async Task Filter_that_an_index_serves_looks_at_all_of_history()
    {
        await FillHistoryAsync(25_000);
        var oldest = await _app.ScalarAsync<Guid>("select min(id::text)::uuid from jobs.history");
        await _app.SqlAsync("""update jobs.history set tags = '{a}', state = 'failed', args = '{"number": 7}', batch = $1 where id = $1""", oldest);
        var time = new JobId(oldest).CreatedAt;
        var where = new Dictionary<string, string> { ["number"] = "7" };
        foreach (var filter in new JobFilter[]
        {
            new() { Tags = ["a"], Where = where },
            new() { State = JobState.Failed, Where = where },
            new() { State = JobState.Failed, Type = "test.work", Where = where },
            new() { State = JobState.Failed, Queue = "default", Where = where },
            new() { Ids = [new JobId(oldest)], Where = where },
            new() { Batch = new JobId(oldest), Where = where },
            new() { EnqueuedTo = time.AddSeconds(1), Where = where },
            new() { EndedTo = time.AddSeconds(1), Where = where },
            new() { EndedFrom = time.AddSeconds(-1), EndedTo = time.AddSeconds(1), Where = where },
        })
        {
            var found = await _app.Operator.ListAsync(filter);
            Assert.Equal([new JobId(oldest)], found.Select(j => j.Id));
            Assert.True(found.Warning is null || filter is { EndedFrom: null, EndedTo: not null } or { EnqueuedTo: not null }, $"{filter}: {found.Warning}");
        }
    }

    [Fact]
    public async Task Full_page_of_what_is_frequent_needs_no_index_and_no_warning()
    {
        await FillHistoryAsync(25_000);
        await _app.SqlAsync("update jobs.history set tags = '{a}'"); // more than are worth fetching by the tag
        var page = await _app.Operator.ListAsync(new() { Tags = ["a"], Type = "test.work" }, new() { Limit = 10 });
        Assert.Equal((10, page[^1].Id, null), (page.Count, page.Next, page.Warning));
        Assert.Equal(await _app.ScalarAsync<Guid[]>("select array_agg(id order by id desc) from (select id from jobs.history order by id desc limit 10) h"), page.Select(j => j.Id.Value));
    }

    [Fact]
    public async Task Filter_that_breaks_a_rule_is_refused_with_the_remedy()
    {
        static JobFilter Where(string field, string value = "1") => new() { Where = new Dictionary<string, string> { [field] = value } };
        var time = new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
        foreach (var (filter, expected) in new (JobFilter, string)[]
        {
            (new() { Ids = [.. Enumerable.Range(0, 1001).Select(_ => JobId.New())] }, "The filter names 1001 jobs; at most 1000"),
            (new() { Tags = [.. Enumerable.Range(0, 21).Select(n => $"t{n}")] }, "The filter has 21 tags; at most 20"),
            (new() { Where = Enumerable.Range(0, 21).ToDictionary(n => $"f{n}", _ => "x") }, "The filter has 21 fields of the arguments; at most 20"),
            (new() { Type = "no type" }, "The job type \"no type\" is not allowed"),
            (new() { Error = "" }, "The text to look for in errors is empty"),
            (new() { Error = "a\0" }, "A text of the filter is not allowed; use at most 1000 characters, none of them NUL"),
            (new() { Tags = ["\ud800"] }, "A text of the filter is not allowed"),
            (new() { Tags = [null!] }, "A text of the filter is not allowed"),
            (Where("a", new string('x', 1001)), "A text of the filter is not allowed"),
            (Where(""), "The field \"\" of the arguments is not allowed; write its name, or a path"),
            (Where("a..b"), "The field \"a..b\" of the arguments is not allowed"),
            (new() { EndedFrom = DateTimeOffset.MinValue }, "The time 0001-01-01T00:00:00.0000000+00:00 is not allowed; use a time from 1970 to 2199."),
            (new() { EnqueuedTo = DateTimeOffset.MaxValue }, "The time 9999-12-31"),
            (new() { EnqueuedFrom = time, EnqueuedTo = time }, "The filter wants jobs enqueued from 2030-01-01"),
            (new() { EndedFrom = time, EndedTo = time.AddDays(-1) }, "The filter wants jobs ended from 2030-01-01"),
        })
        {
            Assert.Contains(expected, (await Assert.ThrowsAsync<ArgumentException>(() => _app.Operator.ListAsync(filter))).Message, StringComparison.Ordinal);
        }
    }

    /// <summary>Jobs of the last second before now, a microsecond of the id apart.</summary>
    private Task FillHistoryAsync(int count) => _app.SqlAsync("""
        insert into jobs.history (id, enqueued_at, started_at, ended_at, state, attempt, failures, crashes, priority, queue, type, args)
        select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7000' || lpad(to_hex(x'8000000000000000'::bigint + n), 16, '0'))::uuid, at, at, at, 'succeeded', 1, 0, 0, 16, 'default', 'test.work', '{"number": 1}'
        from (select n, now() - make_interval(secs => 300 - n * 300.0 / $1) as at from generate_series(1, $1) n) rows
        """, count);

    private Task<long> AboveAsync(JobId id) => _app.ScalarAsync<long>("select count(*) from jobs.history where id >= $1", id.Value);

    private async Task<IReadOnlyList<int>> NumbersAsync(JobFilter filter, JobPage? page = null) =>
        [.. (await _app.Operator.ListAsync(filter, page)).Select(j => System.Text.Json.JsonDocument.Parse(j.Arguments).RootElement.GetProperty("number").GetInt32())];

    private async Task SucceedAsync(params JobId[] ids)
    {
        foreach (var id in ids)
        {
            await _app.ClaimAsync(_session, id);
            Assert.Equal(1, await _app.SucceedAsync(_session, id, attempt: 1));
        }
    }
}
