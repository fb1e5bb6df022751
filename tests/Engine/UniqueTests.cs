namespace Jobs.Tests.Engine;

[Job("test.unique")]
[Unique("text")]
internal sealed record UniqueWork(string Text, int Number = 0);

/// <summary>One job at a time for a key, decided by the database in the statement that enqueues.</summary>
public sealed class UniqueTests
{
    private static EnqueueOptions Keyed(string key, UniqueConflict onConflict = default) => new() { Unique = new Unique { Key = key, OnConflict = onConflict } };

    [Fact]
    public async Task Sixty_four_callers_racing_on_one_key_make_one_job()
    {
        await using var app = await TestApp.CreateAsync();
        for (var round = 0; round < 10; round++)
        {
            var key = $"key {round}";
            var ids = await Task.WhenAll(Enumerable.Range(0, 64).Select(n => Task.Run(() => app.Jobs.EnqueueAsync(new Work(n), Keyed(key)))));
            Assert.Single(ids.Distinct());
        }

        Assert.Equal(10, await app.LiveAsync());
    }

    [Fact]
    public async Task Callers_on_connections_of_their_own_make_one_job_too()
    {
        await using var app = await TestApp.CreateAsync();
        var hosts = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => app.ProducerAsync()));
        var ids = await Task.WhenAll(hosts.SelectMany(h => Enumerable.Range(0, 16).Select(n =>
            Task.Run(() => Microsoft.Extensions.DependencyInjection.ServiceProviderServiceExtensions.GetRequiredService<IJobClient>(h.Services).EnqueueAsync(new Work(n), Keyed("one"))))));
        Assert.Single(ids.Distinct());
        Assert.Equal(1, await app.LiveAsync());
    }

    [Fact]
    public async Task Key_is_free_again_once_the_job_has_ended()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var first = await app.Jobs.EnqueueAsync(new Work(1), Keyed("k"));
        await app.EndedAsync(first);
        var second = await app.Jobs.EnqueueAsync(new Work(2), Keyed("k"));
        Assert.NotEqual(first, second);
        await app.EndedAsync(second);
    }

    [Fact]
    public async Task Key_until_started_is_free_while_the_job_runs_and_until_ended_it_is_not()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var other = new Gate();
        await app.WorkerAsync((job, context, ct) => (job.Number == 1 ? gate : other).RunAsync(job, context, ct));
        var started = new EnqueueOptions { Unique = new Unique { Key = "a", States = Unique.UntilStarted } };
        var first = await app.Jobs.EnqueueAsync(new Work(1), started);
        Assert.Equal(first, (await gate.Begun).Id);
        var second = await app.Jobs.EnqueueAsync(new Work(2), started);
        Assert.NotEqual(first, second);

        var third = await app.Jobs.EnqueueAsync(new Work(3), Keyed("b"));
        await app.InStateAsync(third, JobState.Running);
        Assert.Equal(third, await app.Jobs.EnqueueAsync(new Work(4), Keyed("b")));
        gate.Open();
        other.Open();
        await app.AllEndedAsync(3);
    }

    [Fact]
    public async Task Repeating_an_enqueue_whose_job_has_started_and_let_go_of_its_key_makes_no_second_job()
    {
        await using var app = await TestApp.CreateAsync();
        var options = new EnqueueOptions { Id = JobId.New(), Unique = new Unique { Key = "a", States = Unique.UntilStarted } };
        await app.Jobs.EnqueueAsync(new Work(), options);
        Assert.Single(await app.ClaimAsync(Guid.CreateVersion7(), options.Id!.Value));
        Assert.Equal(options.Id, await app.Jobs.EnqueueAsync(new Work(), options));
        Assert.Equal(1, await app.LiveAsync());
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Key_for_a_period_stays_taken_after_the_end_and_is_free_after_the_period()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        var options = new EnqueueOptions { Unique = new Unique { Key = "daily", States = Unique.Always, Period = TimeSpan.FromDays(1) } };
        var first = await app.Jobs.EnqueueAsync(new Work(), options);
        await app.EndedAsync(first);
        Assert.Equal(first, await app.Jobs.EnqueueAsync(new Work(), options));
        Assert.Equal(0, await app.LiveAsync());

        await app.SqlAsync("update jobs.held_key set until = now()");
        Assert.NotEqual(first, await app.Jobs.EnqueueAsync(new Work(), options));
        await app.AllEndedAsync(2);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Races_on_a_key_for_a_period_make_one_job_even_while_it_ends()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 16);
        for (var round = 0; round < 20; round++)
        {
            var options = new EnqueueOptions { Unique = new Unique { Key = $"r{round}", States = Unique.Always, Period = TimeSpan.FromHours(1) } };
            var ids = await Task.WhenAll(Enumerable.Range(0, 16).Select(n => Task.Run(() => app.Jobs.EnqueueAsync(new Work(n), options))));
            Assert.Single(ids.Distinct());
        }

        await app.AllEndedAsync(20);
    }

    [Fact]
    public async Task Fields_of_the_arguments_make_the_key_whatever_the_others_are()
    {
        await using var app = await TestApp.CreateAsync();
        var first = await app.Jobs.EnqueueAsync(new UniqueWork("a", 1));
        Assert.Equal(first, await app.Jobs.EnqueueAsync(new UniqueWork("a", 2)));
        Assert.NotEqual(first, await app.Jobs.EnqueueAsync(new UniqueWork("b", 1)));
        Assert.NotEqual(first, await app.Jobs.EnqueueAsync(new UniqueWork("a", 1), new() { Unique = new Unique() })); // all arguments: another key
    }

    [Fact]
    public async Task Types_do_not_share_keys()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueAsync(new Work(), Keyed("same"));
        await app.Jobs.EnqueueAsync(new Other(), Keyed("same"));
        Assert.Equal(2, await app.LiveAsync());
    }

    [Fact]
    public async Task Conflict_replaces_the_arguments_of_a_waiting_job_and_leaves_a_running_one_alone()
    {
        await using var app = await TestApp.CreateAsync();
        var options = new EnqueueOptions { Delay = TimeSpan.FromHours(1), Unique = new Unique { Key = "k", OnConflict = UniqueConflict.ReplaceArguments } };
        var id = await app.Jobs.EnqueueAsync(new Work(1), options);
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(2), options));
        Assert.Contains("\"number\":2", (await app.GetAsync(id)).Arguments);

        await app.SqlAsync("update jobs.job set state = 'queued', due_at = null where id = $1", id.Value);
        Assert.Single(await app.ClaimAsync(Guid.CreateVersion7(), id));
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(3), options));
        Assert.Contains("\"number\":2", (await app.GetAsync(id)).Arguments);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Conflict_moves_the_time_so_that_a_burst_makes_one_job_after_the_last_call()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.Done);
        EnqueueOptions In(TimeSpan delay) => new() { Delay = delay, Unique = new Unique { Key = "k", OnConflict = UniqueConflict.MoveTime } };
        var id = await app.Jobs.EnqueueAsync(new Work(), In(TimeSpan.FromHours(1)));
        var before = (await app.GetAsync(id)).DueAt;
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(), In(TimeSpan.FromHours(3))));
        Assert.InRange((await app.GetAsync(id)).DueAt!.Value - before!.Value, TimeSpan.FromMinutes(119), TimeSpan.FromMinutes(121));

        await app.SchedulerAsync();
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(), In(TimeSpan.Zero)));
        await app.EndedAsync(id);
        Assert.Single(app.Runs);
    }

    [Fact]
    public async Task Moving_a_queued_job_to_later_makes_its_ticket_stale()
    {
        await using var app = await TestApp.CreateAsync();
        var options = new EnqueueOptions { Unique = new Unique { Key = "k", OnConflict = UniqueConflict.MoveTime } };
        var id = await app.Jobs.EnqueueAsync(new Work(), options);
        await app.Jobs.EnqueueAsync(new Work(), options with { Delay = TimeSpan.FromHours(1) });
        Assert.Equal(JobState.Scheduled, (await app.GetAsync(id)).State);
        Assert.Empty(await app.ClaimAsync(Guid.CreateVersion7(), id));
    }

    [Fact]
    public async Task Refused_conflict_names_the_existing_job_and_spares_the_neighbours()
    {
        await using var app = await TestApp.CreateAsync();
        var first = await app.Jobs.EnqueueAsync(new Work(), Keyed("k"));
        var calls = Enumerable.Range(0, 20).Select(n => Task.Run(() => app.Jobs.EnqueueAsync(new Work(n), n == 7 ? Keyed("k", UniqueConflict.Refuse) : null))).ToList();
        var refused = await Assert.ThrowsAsync<JobExistsException>(() => calls[7]);
        Assert.Equal(first, refused.Existing);
        Assert.Contains(first.ToString(), refused.Message);
        calls.RemoveAt(7);
        await Task.WhenAll(calls);
        Assert.Equal(20, await app.LiveAsync());
    }

    [Fact]
    public async Task Bulk_enqueue_makes_one_job_a_key_also_within_one_statement()
    {
        await using var app = await TestApp.CreateAsync();
        Func<Work, EnqueueOptions?> each = w => Keyed($"{w.Number % 100}");
        Assert.Equal(100, await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 2500).Select(n => new Work(n)), each));
        Assert.Equal(0, await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 500).Select(n => new Work(n)), each));
        Assert.Equal(100, await app.LiveAsync());
    }

    [Fact]
    public async Task Bulk_enqueue_with_some_refused_writes_the_others_and_names_one_that_exists()
    {
        await using var app = await TestApp.CreateAsync();
        var first = await app.Jobs.EnqueueAsync(new Work(), Keyed("3"));
        var refused = await Assert.ThrowsAsync<JobExistsException>(() =>
            app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 10).Select(n => new Work(n)), w => Keyed($"{w.Number}", UniqueConflict.Refuse)));
        Assert.Equal(first, refused.Existing);
        Assert.Equal(10, await app.LiveAsync());
    }

    [Fact]
    public async Task Key_of_a_transaction_holds_from_its_commit_and_not_after_a_rollback()
    {
        await using var app = await TestApp.CreateAsync();
        await using var connection = await app.ConnectAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await app.Jobs.EnqueueAsync(new Work(), transaction, Keyed("k"));
            await transaction.RollbackAsync();
        }

        var id = await app.Jobs.EnqueueAsync(new Work(), Keyed("k"));
        await using var second = await connection.BeginTransactionAsync();
        Assert.Equal(id, await app.Jobs.EnqueueAsync(new Work(), second, Keyed("k")));
        await second.CommitAsync();
        Assert.Equal(1, await app.LiveAsync());
    }

    public static TheoryData<string, string> Faults => new()
    {
        { "running", "Unique: States {Running} leave a gap: a job passes through Pending, Scheduled, Queued, Blocked as well" },
        { "waiting and ended", "leave a gap: a job passes through Running, Failed, Cancelled, Expired as well" },
        { "always", "Unique: States includes those of ended jobs, so Period must say for how long the key stays taken." },
        { "replace ended", "OnConflict ReplaceArguments does not go with States that include those of ended jobs" },
        { "short period", "Unique: the period 00:00:00.5000000 is not allowed; use 1 s to 366 days." },
        { "key and by", "Unique: Key and By are both set; set one of them." },
        { "empty key", "The unique key is empty; give it 1 to 200 characters." },
        { "long key", "The unique key \"kkkkkkkkkkkkkkkkkkkkkkkk...\" has 300 characters; at most 200 are allowed." },
        { "no such field", "Unique: the arguments of \"test.work\" have no field \"To\"; By takes the names that the JSON has." },
    };

    [Trait("Category", "Slow")]
    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Policy_that_cannot_hold_is_refused_at_the_call(string which, string words)
    {
        await using var app = await TestApp.CreateAsync();
        var unique = which switch
        {
            "running" => new Unique { States = [JobState.Running] },
            "waiting and ended" => new Unique { States = [.. Unique.UntilStarted, JobState.Succeeded], Period = TimeSpan.FromHours(1) },
            "always" => new Unique { States = Unique.Always },
            "replace ended" => new Unique { States = Unique.Always, Period = TimeSpan.FromHours(1), OnConflict = UniqueConflict.ReplaceArguments },
            "short period" => new Unique { Period = TimeSpan.FromMilliseconds(500) },
            "key and by" => new Unique { Key = "k", By = ["text"] },
            "empty key" => new Unique { Key = "" },
            "long key" => new Unique { Key = new string('k', 300) },
            _ => new Unique { By = ["To"] },
        };
        var e = await Assert.ThrowsAsync<ArgumentException>(() => app.Jobs.EnqueueAsync(new Work(), new() { Unique = unique }));
        Assert.Contains(words, e.Message);
        Assert.Equal(0, await app.LiveAsync());
    }

    [Job("test.gap")]
    [Unique(States = [JobState.Running])]
    private sealed record GapWork;

    private sealed class GapHandler : IJobHandler<GapWork>
    {
        public Task HandleAsync(GapWork job, JobContext context, CancellationToken ct) => Task.CompletedTask;
    }

    [Fact]
    public async Task Policy_of_a_type_that_leaves_a_gap_stops_the_start_of_its_worker()
    {
        await using var app = await TestApp.CreateAsync();
        var e = Assert.Throws<InvalidOperationException>(() => app.Build(b => b.AddWorker(w => w.Queue("default").Handle<GapWork, GapHandler>())));
        Assert.Contains("The [Unique] attribute of GapWork breaks a rule. Unique: States {Running} leave a gap", e.Message);
    }
}
