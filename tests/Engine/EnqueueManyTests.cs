namespace Jobs.Tests.Engine;

/// <summary>Bulk enqueue: any number, in bounded memory, and what stands when it ends early.</summary>
public sealed class EnqueueManyTests
{
    /// <summary>A statement being written, one being formed, one job in hand; with room for a statement more.</summary>
    private const int FurthestAhead = 3000;

    [Fact]
    public async Task Every_job_of_a_sequence_is_enqueued_and_counted()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.Equal(2503, await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 2503).Select(n => new Work(n))));
        Assert.Equal(0, await app.Jobs.EnqueueManyAsync(Array.Empty<Work>()));
        Assert.Equal(2503, await app.ScalarAsync<long>("select count(distinct (args->>'number')::int) from jobs.job where state = 'queued'"));
        await app.WaitForTicketsAsync("default", 2503);
    }

    [Fact]
    public async Task Source_is_never_far_ahead_of_what_is_written()
    {
        await using var app = await TestApp.CreateAsync();
        var furthest = 0L;

        async IAsyncEnumerable<Work> Source()
        {
            for (var n = 0; n < 8000; n++)
            {
                if (n % 500 == 0)
                {
                    furthest = Math.Max(furthest, n - await app.LiveAsync());
                }

                yield return new Work(n);
            }
        }

        Assert.Equal(8000, await app.Jobs.EnqueueManyAsync(Source()));
        Assert.Equal(8000, await app.LiveAsync());
        Assert.InRange(furthest, 1, FurthestAhead);
    }

    [Fact]
    public async Task Sequence_is_read_lazily_too()
    {
        await using var app = await TestApp.CreateAsync();
        var furthest = 0L;

        IEnumerable<Work> Source()
        {
            for (var n = 0; n < 8000; n++)
            {
                if (n % 500 == 0)
                {
                    furthest = Math.Max(furthest, n - Live());
                }

                yield return new Work(n);
            }
        }

#pragma warning disable xUnit1031 // a sequence cannot await, and it is what is tested here
        long Live() => app.LiveAsync().GetAwaiter().GetResult();
#pragma warning restore xUnit1031

        Assert.Equal(8000, await app.Jobs.EnqueueManyAsync(Source()));
        Assert.InRange(furthest, 1, FurthestAhead);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Source_that_throws_ends_the_call_and_the_statements_before_it_stand(bool asynchronous)
    {
        await using var app = await TestApp.CreateAsync();

        IEnumerable<Work> Source()
        {
            for (var n = 0; n < 2500; n++)
            {
                yield return new Work(n);
            }

            throw new FormatException("line 2501");
        }

        var error = await Assert.ThrowsAsync<FormatException>(() =>
            asynchronous ? app.Jobs.EnqueueManyAsync(Source().ToAsyncEnumerable()) : app.Jobs.EnqueueManyAsync(Source()));
        Assert.Equal("line 2501", error.Message);
        Assert.Equal(2000, await app.LiveAsync());
        await app.WaitForTicketsAsync("default", 2000);
    }

    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cancellation_stops_between_statements(bool asynchronous)
    {
        await using var app = await TestApp.CreateAsync();
        using var cancel = new CancellationTokenSource();

        IEnumerable<Work> Source()
        {
            for (var n = 0; n < 20_000; n++)
            {
                if (n == 3500)
                {
                    cancel.Cancel();
                }

                yield return new Work(n);
            }
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asynchronous
            ? app.Jobs.EnqueueManyAsync(Source().ToAsyncEnumerable(), ct: cancel.Token)
            : app.Jobs.EnqueueManyAsync(Source(), ct: cancel.Token));
        Assert.InRange(await app.LiveAsync(), 3000, 5000);
    }

    [Fact]
    public async Task Each_job_may_have_options_of_its_own()
    {
        await using var app = await TestApp.CreateAsync();
        var id = JobId.New();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 6).Select(n => new Work(n)), w => w.Number switch
        {
            1 => new() { Queue = "mail" },
            2 => new() { Priority = JobPriority.Highest },
            3 => new() { Delay = TimeSpan.FromHours(1) },
            4 => new() { Id = id },
            _ => null,
        });
        var jobs = (await app.Operator.ListAsync(new())).OrderBy(j => j.Arguments, StringComparer.Ordinal).ToList();
        Assert.Equal(["default", "mail", "default", "default", "default", "default"], jobs.Select(j => j.Queue));
        Assert.Equal([16, 16, 31, 16, 16, 16], jobs.Select(j => j.Priority));
        Assert.Equal([JobState.Queued, JobState.Queued, JobState.Queued, JobState.Scheduled, JobState.Queued, JobState.Queued], jobs.Select(j => j.State));
        Assert.Equal(id, jobs[4].Id);
        await app.WaitForTicketsAsync("default", 4);
        await app.WaitForTicketsAsync("mail", 1);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Same_id_within_a_call_and_in_a_repeated_call_is_one_job()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var ids = Enumerable.Range(0, 100).Select(_ => JobId.New()).ToArray();
        for (var i = 0; i < 3; i++)
        {
            await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 200).Select(n => new Work(n % 100)), w => new() { Id = ids[w.Number] });
            await app.AllEndedAsync(100);
        }

        Assert.Equal(Enumerable.Range(0, 100), app.Runs.Select(r => r.Job.Number).Order());
    }

    [Fact]
    public async Task Value_that_breaks_a_rule_ends_the_call_with_its_own_error()
    {
        await using var app = await TestApp.CreateAsync();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => app.Jobs.EnqueueManyAsync(
            Enumerable.Range(0, 1500).Select(n => new Work(n)), w => w.Number == 1200 ? new() { Delay = TimeSpan.FromSeconds(-1) } : null));
        await Assert.ThrowsAsync<ArgumentNullException>(() => app.Jobs.EnqueueManyAsync([new Work(), null!]));
        await Assert.ThrowsAsync<ArgumentNullException>(() => app.Jobs.EnqueueManyAsync((IEnumerable<Work>)null!));
        await Assert.ThrowsAsync<ArgumentNullException>(() => app.Jobs.EnqueueManyAsync((IAsyncEnumerable<Work>)null!));
        Assert.Equal(1000, await app.LiveAsync());
    }
}
