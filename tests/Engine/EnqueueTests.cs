using System.Text;
using System.Text.Json;
using Jobs.Postgres;
using Npgsql;

namespace Jobs.Tests.Engine;

/// <summary>Single enqueues: what is written once, together, whole, and up to which size.</summary>
public sealed class EnqueueTests
{
    [Fact]
    public async Task Same_id_twice_is_one_job()
    {
        await using var app = await TestApp.CreateAsync();
        var id = JobId.New();
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(1), new() { Id = id }));
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(2), new() { Id = id }));
        Assert.Equal(1, await app.LiveAsync());
        await app.WorkerAsync(Runs.Done);
        await app.AllEndedAsync(1);
        Assert.Equal(1, Assert.Single(app.Runs).Job.Number);
    }

    [Fact]
    public async Task Sixty_four_callers_with_the_same_id_make_one_job_that_runs_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done); // ends it while others still enqueue it
        var id = JobId.New();
        var ids = await Task.WhenAll(Enumerable.Range(0, 64).Select(n => Task.Run(() => app.Jobs.EnqueueAsync(new Work(n), new() { Id = id }))));
        Assert.All(ids, i => Assert.Equal(id, i));
        await app.AllEndedAsync(1);
        Assert.Single(app.Runs);
    }

    [Fact]
    public async Task Concurrent_calls_share_statements_and_each_gets_its_own_job()
    {
        await using var app = await TestApp.CreateAsync();
        var ids = await Task.WhenAll(Enumerable.Range(0, 16).Select(caller => Task.Run(async () =>
        {
            var mine = new List<JobId>();
            for (var n = 0; n < 25; n++)
            {
                mine.Add(await app.Jobs.EnqueueAsync(new Work(caller, $"{n}"), n % 5 == 0 ? new() { Priority = n } : null));
            }

            return mine;
        })));
        Assert.Equal(400, ids.SelectMany(i => i).Distinct().Count());
        Assert.Equal(400, await app.LiveAsync());
        Assert.All(await app.Operator.ListAsync(new(), new() { Limit = 1000 }), job =>
        {
            var work = JsonSerializer.Deserialize<Work>(job.Arguments, JsonSerializerOptions.Web)!;
            Assert.Equal(job.Id, ids[work.Number][int.Parse(work.Text)]);
        });
    }

    [Fact]
    public async Task Row_that_Postgres_refuses_fails_its_own_call_and_no_neighbour()
    {
        await using var app = await TestApp.CreateAsync();
        var calls = Enumerable.Range(0, 32).Select(n => Task.Run(() => app.Jobs.EnqueueAsync(new RawWork(new Raw(n == 20 ? "{not json" : "1"))))).ToList();
        await Assert.ThrowsAnyAsync<Exception>(() => calls[20]);
        await Task.WhenAll(calls.Where((_, n) => n != 20));
        Assert.Equal(31, await app.LiveAsync());
    }

    [Fact]
    public async Task Call_returns_only_after_its_row_is_committed()
    {
        await using var app = await TestApp.CreateAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(async () =>
        {
            for (var i = 0; i < 10; i++)
            {
                var id = await app.Jobs.EnqueueAsync(new Work(n));
                Assert.NotNull(await app.RowAsync(id)); // on another connection
            }
        })));
    }

    [Fact]
    public async Task Json_is_enqueued_as_it_is_by_the_name_of_its_type()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var id = await app.Jobs.EnqueueJsonAsync("test.work", """ {"Number": 5, "unknown" : [1]} """, new() { Priority = 3 });
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 3, """ {"Number": 5, "unknown" : [1]} """), (ended.State, ended.Priority, ended.Arguments));
        Assert.Equal(5, Assert.Single(app.Runs).Job.Number);
    }

    [Fact]
    public async Task Any_text_comes_back_as_it_was()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var text = "null \0, quotes \"'\\, line\r\nfeed\t, 漢字, 🦊, \u202e, \uffff, $1, {0}, %s, jobs.job;--";
        await app.Jobs.EnqueueAsync(new Work(1, text));
        await app.AllEndedAsync(1);
        Assert.Equal(text, Assert.Single(app.Runs).Job.Text);
    }

    [Fact]
    public async Task Arguments_at_the_limit_are_enqueued_and_one_byte_more_is_refused_with_its_size()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        const int Limit = 256 * 1024;
        var frame = JsonSerializer.SerializeToUtf8Bytes(new Work(), JsonSerializerOptions.Web).Length;
        var fits = new string('x', Limit - frame);
        var ended = await app.EndedAsync(await app.Jobs.EnqueueAsync(new Work(0, fits)));
        Assert.Equal((JobState.Succeeded, Limit), (ended.State, Encoding.UTF8.GetByteCount(ended.Arguments)));
        Assert.Equal(fits, Assert.Single(app.Runs).Job.Text);

        async Task Refused(Task call)
        {
            var error = await Assert.ThrowsAsync<JobTooLargeException>(() => call);
            Assert.Equal((Limit + 1, Limit), (error.Bytes, error.Limit));
            Assert.Contains("\"test.work\" job has 262,145 bytes; the limit is 262,144", error.Message, StringComparison.Ordinal);
        }

        await Refused(app.Jobs.EnqueueAsync(new Work(0, fits + "x")));
        await Refused(app.Jobs.EnqueueJsonAsync("test.work", '"' + new string('x', Limit - 1) + '"'));
        await Refused(app.Jobs.EnqueueManyAsync([new Work(), new Work(0, fits + "x")]));
        Assert.Equal((0, 1), (await app.LiveAsync(), await app.EndedAsync()));
    }

    [Fact]
    public async Task Limit_can_be_raised_to_the_hard_one()
    {
        await using var app = await TestApp.CreateAsync();
        var host = app.Build(_ => { }, o => o.MaxArgumentBytes = JobsOptions.HardMaxArgumentBytes);
        var jobs = (IJobClient)host.Services.GetService(typeof(IJobClient))!;
        var id = await jobs.EnqueueJsonAsync("test.work", '"' + new string('x', (1024 * 1024) - 2) + '"');
        Assert.Equal(1024 * 1024, (await app.GetAsync(id)).Arguments.Length);
        await Assert.ThrowsAsync<JobTooLargeException>(() => jobs.EnqueueJsonAsync("test.work", '"' + new string('x', (1024 * 1024) - 1) + '"'));
        await ((IAsyncDisposable)host).DisposeAsync();
    }

    [Fact]
    public async Task Call_that_is_cancelled_before_it_begins_writes_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => app.Jobs.EnqueueAsync(new Work(), ct: new CancellationToken(canceled: true)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => app.Jobs.EnqueueManyAsync([new Work()], ct: new CancellationToken(canceled: true)));
        Assert.Equal(0, await app.LiveAsync());
    }

    [Fact]
    public async Task Statement_that_is_repeated_after_an_unknown_commit_makes_one_job_live_or_ended()
    {
        await using var app = await TestApp.CreateAsync();
        NewJob[] rows = [.. Enumerable.Range(0, 3).Select(_ => new NewJob(JobId.New(), "test.work", "default", 16, "{}"u8.ToArray(), null, null))];
        var fates = new Enqueued[3];
        await app.Store.EnqueueAsync(rows[..2], fates, again: false, default);
        Assert.Equal([EnqueueFate.Queued, EnqueueFate.Queued], fates[..2].Select(f => f.Fate));
        var session = Guid.NewGuid();
        await app.ClaimAsync(session, rows[0].Id);
        await app.SucceedAsync(session, rows[0].Id, attempt: 1);

        await app.Store.EnqueueAsync(rows, fates, again: true, default); // one has ended, one is live, one was never written
        Assert.Equal([EnqueueFate.Existed, EnqueueFate.Existed, EnqueueFate.Queued], fates.Select(f => f.Fate));
        Assert.Equal((2, 1), (await app.LiveAsync(), await app.EndedAsync()));
        await app.Store.EnqueueAsync(rows, fates, again: true, default);
        Assert.All(fates, f => Assert.Equal(EnqueueFate.Existed, f.Fate));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Database_that_does_not_answer_is_an_unknown_outcome_with_the_id_to_repeat()
    {
        await using var app = await TestApp.CreateAsync();
        var away = new NpgsqlConnectionStringBuilder(app.Servers.Postgres) { Port = 1 };
        var host = app.Build(_ => { }, o => o.Postgres = away.ConnectionString);
        var id = JobId.New();
        var error = await Assert.ThrowsAsync<EnqueueUnknownException>(() => ((IJobClient)host.Services.GetService(typeof(IJobClient))!).EnqueueAsync(new Work(), new() { Id = id }).InTimeAsync());
        Assert.Equal(id, Assert.Single(error.Ids));
        Assert.Contains($"whether job {id} was written is unknown", error.Message, StringComparison.Ordinal);
        await ((IAsyncDisposable)host).DisposeAsync();

        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(), new() { Id = error.Ids[0] }));
        Assert.Equal(1, await app.LiveAsync());
    }

    [Fact]
    public async Task Job_that_does_not_exist_is_null()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.Null(await app.Jobs.GetAsync(JobId.New()));
        Assert.Null(await app.Jobs.GetAsync(default));
        Assert.Null(await app.Jobs.GetAsync(new JobId(Guid.NewGuid())));
    }
}
