namespace Jobs.Tests.Engine;

/// <summary>New lives for ended jobs, one at a time and in bulk.</summary>
public sealed class RetryAgainTests
{
    private static readonly Act Ann = new() { By = "ann@desk", Reason = "fixed" };

    private readonly Guid _session = Guid.NewGuid();

    [Fact]
    public async Task Ended_job_goes_on_as_a_new_one_with_all_that_made_it()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work(1, "a"), new()
        {
            Priority = 5, Queue = "mail", Tags = ["red"], Metadata = new Dictionary<string, string>(StringComparer.Ordinal) { ["who"] = "me" }, Timeout = TimeSpan.FromSeconds(77),
            Unique = new Unique { Key = "k" },
        });
        await FailAsync(app, "mail", id);
        var answer = Assert.Single((await app.Operator.RetryAsync(new() { Ids = [id] }, Ann)).Jobs);
        Assert.Equal(ActOutcome.Done, answer.Outcome);
        var (old, life) = (await app.GetAsync(id), await app.GetAsync(answer.NewLife!.Value));
        Assert.Equal((JobState.Failed, life.Id, null), (old.State, old.RetriedAs, old.RetryOf));
        Assert.Equal((JobState.Queued, id, 0, 0, 5, "mail", "test.work", "retry ann@desk", null, 0),
            (life.State, life.RetryOf, life.Attempt, life.Failures, life.Priority, life.Queue, life.Type, life.Origin, life.UniqueKey, life.Errors.Count));
        Assert.Equal((old.Arguments, "red", "me"), (life.Arguments, Assert.Single(life.Tags), life.Metadata["who"]));
        Assert.Equal(77f, await app.ScalarAsync<float>("select timeout from jobs.job where id = $1", life.Id.Value));
        var what = Assert.Single(life.Events);
        Assert.Equal(("retryNow", "ann@desk", "fixed", id.ToString()), (what.What, what.By, what.Reason, what.From));

        var again = Assert.Single((await app.Operator.RetryAsync(new() { Ids = [id] }, Ann)).Jobs);
        Assert.Equal((ActOutcome.Unchanged, $"was retried already, as {life.Id}"), (again.Outcome, again.Message));
        await app.WorkerAsync(Runs.Done, more: w => w.Queue("mail", 1));
        Assert.Equal(JobState.Succeeded, (await app.EndedAsync(life.Id)).State);
        var third = Assert.Single((await app.Operator.RetryAsync(new() { Ids = [life.Id] })).Jobs);
        Assert.Equal((JobState.Succeeded, life.Id), ((await app.EndedAsync(third.NewLife!.Value)).State, (await app.GetAsync(third.NewLife!.Value)).RetryOf));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Scheduled_job_is_queued_now_and_others_say_why_not()
    {
        await using var app = await TestApp.CreateAsync();
        var scheduled = await app.Jobs.EnqueueAsync(new Work(1), new() { Delay = TimeSpan.FromHours(1) });
        var queued = await app.Jobs.EnqueueAsync(new Work(2));
        var blocked = await app.Jobs.EnqueueAsync(new Work(3), new() { After = [queued] });
        var report = await app.Operator.RetryAsync(new() { Ids = [scheduled, queued, blocked] }, Ann);
        Assert.Equal([(ActOutcome.Done, "queued"), (ActOutcome.Unchanged, "is queued already"), (ActOutcome.Unchanged, "waits for another job to end")], report.Jobs.Select(j => (j.Outcome, j.Message)));
        await app.WorkerAsync(Runs.Done);
        var job = await app.EndedAsync(scheduled);
        Assert.Equal("retryNow", Assert.Single(job.Events).What);
        Assert.NotNull(job.Events[0].DueAt);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Many_operators_give_a_job_one_new_life()
    {
        await using var app = await TestApp.CreateAsync();
        var ids = new List<JobId>();
        for (var n = 0; n < 20; n++)
        {
            ids.Add(await app.Jobs.EnqueueAsync(new Work(n)));
            await FailAsync(app, "default", ids[^1]);
        }

        var reports = await Task.WhenAll(Enumerable.Range(0, 12).Select(n => n % 2 == 0 ? app.Operator.RetryAsync(new() { Ids = ids }) : app.Operator.RetryAsync(new())));
        Assert.Equal(20, reports.Sum(r => r.Done));
        Assert.Equal(20, await app.LiveAsync());
        Assert.Equal(20, await app.ScalarAsync<long>("select count(distinct j.retry_of) from jobs.job j join jobs.history h on h.id = j.retry_of and h.retried_as = j.id"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Redrive_gives_failed_jobs_of_the_filter_new_lives_and_is_undone()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 1200).Select(n => new Work(n)), w => w.Number == 0 ? new() { Tags = ["a", "redrive:old"] } : null);
        await app.Jobs.EnqueueManyAsync([new Other(1)]);
        await app.SqlAsync("update jobs.job set state = 'running', attempt = 1, session = $1", _session);
        var first = await app.Operator.ListAsync(new(), new() { Limit = 1000 });
        JobInfo[] all = [.. first, .. await app.Operator.ListAsync(new(), new() { Limit = 1000, Below = first[^1].Id })];
        await app.Store.EndIfRunningAsync(_session, [.. all.Select(j => new Postgres.EndedAttempt(j.Id, 1, JobState.Failed, null, """{"type": "Smtp", "message": "no route"}"""))], default);

        var filter = new JobFilter { Type = "test.work", Error = "smtp: no" };
        Assert.Equal((null, 1200), await app.Operator.RedriveAsync(filter, new() { DryRun = true }) is var dry ? (dry.Id, dry.Count) : default);
        Assert.Equal(0, await app.LiveAsync());
        var redrive = await app.Operator.RedriveAsync(filter, new() { Rate = 0.1 }, Ann);
        Assert.Equal(1200, redrive.Count);
        Assert.Equal(1200, await app.ScalarAsync<long>("select count(*) from jobs.job where state = 'scheduled' and tags @> array[$1]", $"redrive:{redrive.Id}"));
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.job where tags = array['a', $1]", $"redrive:{redrive.Id}"));
        Assert.Equal(12_000d, await app.ScalarAsync<double>("select extract(epoch from max(due_at) - (select created_at from jobs.redrive))::float8 from jobs.job"), 3);
        Assert.Equal(10d, await app.ScalarAsync<double>("select extract(epoch from min(due_at) - (select created_at from jobs.redrive))::float8 from jobs.job"), 3);
        Assert.Equal(0, (await app.Operator.RedriveAsync(filter)).Count);

        // One has started and one has ended before it is undone.
        var lives = await app.Operator.ListAsync(new() { Tags = [$"redrive:{redrive.Id}"] }, new() { Limit = 2 });
        await app.Operator.RetryAsync(new() { Ids = [.. lives.Select(l => l.Id)] });
        Assert.Equal(2, (await app.ClaimAsync(_session, lives[0].Id, 2)).Count + (await app.ClaimAsync(_session, lives[1].Id, 2)).Count);
        await app.EndAsync(_session, lives[1].Id, 1);
        var undone = await app.Operator.UndoRedriveAsync(redrive.Id!.Value, Ann);
        Assert.Equal((1198, 1, 1), (undone.Done, undone.Counts[ActOutcome.Running], undone.Counts[ActOutcome.Ended]));
        Assert.Equal(1, await app.LiveAsync());
        Assert.Equal(1198, await app.ScalarAsync<long>("select count(*) from jobs.history where state = 'cancelled' and origin = $1", $"redrive {redrive.Id}"));
        Assert.Equal(2, await app.ScalarAsync<long>("select count(*) from jobs.history where retried_as is not null"));
        Assert.Equal(0, (await app.Operator.UndoRedriveAsync(redrive.Id!.Value, Ann)).Done);

        // Those taken back; not the new life that has failed, whose error is another one.
        Assert.Equal(1198, (await app.Operator.RedriveAsync(filter)).Count);
        Assert.Equal(1198, await app.ScalarAsync<long>("select count(*) from jobs.job where state = 'queued'"));
    }

    [Fact]
    public async Task Undone_redrive_makes_no_new_lives()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        await FailAsync(app, "default", id);
        var redrive = await app.Operator.RedriveAsync(new());
        await app.Operator.UndoRedriveAsync(redrive.Id!.Value);
        var page = await app.Control.RetryEndedAsync(new() { State = JobState.Failed }, Guid.Empty, null, redrive.Id, null, 0, new("x", null), default);
        Assert.Empty(page.Jobs);
        Assert.Equal(0, await app.LiveAsync());
        Assert.Equal(1, (await app.Operator.RedriveAsync(new())).Count);
    }

    private async Task FailAsync(TestApp app, string queue, JobId id)
    {
        Assert.Single(await app.ClaimAsync(_session, id, queue: queue));
        Assert.Equal(1, await app.EndAsync(_session, id, 1));
    }
}
