using Jobs.Postgres;

namespace Jobs.Tests.Engine;

/// <summary>Queues whose jobs are started in turn of a key of their arguments. Here the key is <see cref="Work.Text"/>.</summary>
public sealed partial class FairnessTests
{
    private static readonly QueueName Queue = new("default");

    [Fact]
    public async Task Flood_of_one_value_leaves_the_others_their_turn_whatever_the_order_of_the_tickets()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 60);
        await EnqueueAsync(app, 'b', 5);
        await EnqueueAsync(app, 'c', 3);
        await app.WaitForTicketsAsync("default", 68);
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(68);
        Assert.Equal("abcabcabcabab" + new string('a', 55), Order(app));
        Assert.All(app.Runs.GroupBy(r => r.Job.Text), same => Assert.Equal(same.Select(r => r.Context.Id.Value).Order(), same.Select(r => r.Context.Id.Value)));
        Assert.All(app.Runs, r => Assert.Equal(1, r.Context.Attempt));
    }

    [Fact]
    public async Task Newcomer_is_served_in_the_next_round_although_its_tickets_are_behind_those_of_a_flood()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Number == 0 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), concurrency: 1);
        await EnqueueAsync(app, 'a', 1);
        await gate.Begun;
        await EnqueueAsync(app, 'a', 99, from: 1);
        await EnqueueAsync(app, 'b', 10, from: 1000);
        gate.Open();
        await app.AllEndedAsync(110);
        Assert.Equal(string.Concat(Enumerable.Repeat("ab", 10)) + new string('a', 90), Order(app));
    }

    [Fact]
    public async Task Weights_say_how_many_jobs_of_a_value_are_started_in_its_turn()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await app.Operator.SetFairWeightAsync(Queue, "a", 3);
        await EnqueueAsync(app, 'a', 12);
        await EnqueueAsync(app, 'b', 6);
        await app.WaitForTicketsAsync("default", 18);
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(18);
        Assert.Equal("aaabaaabaaabaaab" + "bb", Order(app));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Higher_priority_comes_first_and_turns_are_kept_level_by_level()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 4);
        await EnqueueAsync(app, 'b', 2);
        await EnqueueAsync(app, 'a', 3, JobPriority.High);
        await EnqueueAsync(app, 'c', 1, JobPriority.High);
        await app.WaitForTicketsAsync("default", 10);
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(10);
        Assert.Equal("acaa" + "ababaa", Order(app));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Single_value_uses_all_slots_of_all_workers_and_each_job_runs_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        var (running, all) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        Run run = async (_, _, ct) =>
        {
            if (Interlocked.Increment(ref running) == 8)
            {
                all.SetResult();
            }

            await all.Task.WaitAsync(ct);
            return JobOutcome.Succeeded;
        };
        await app.WorkerAsync(run, concurrency: 4);
        await app.WorkerAsync(run, concurrency: 4);
        await EnqueueAsync(app, 'a', 300);
        await all.Task.InTimeAsync();
        await app.AllEndedAsync(300);
        Assert.Equal(300, app.Runs.Select(r => r.Context.Id).Distinct().Count());
        Assert.Equal(300, app.Runs.Count);
    }

    [Fact]
    public async Task Queue_that_is_made_fair_serves_what_waits_in_turn_and_one_that_is_fair_no_more_loses_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        await EnqueueAsync(app, 'a', 30);
        await EnqueueAsync(app, 'b', 3);
        await app.WaitForTicketsAsync("default", 33);
        await app.Operator.SetFairnessAsync(Queue, "text");
        Assert.Equal("text", Assert.Single(await app.Operator.QueuesAsync()).Fairness?.Key);
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => app.Runs.Count == 4 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), concurrency: 1);
        await gate.Begun;
        Assert.Equal("abab", Order(app));
        await app.Operator.SetFairnessAsync(Queue, null);
        await EnqueueAsync(app, 'c', 2, from: 100);
        Assert.Equal(2, await app.ScalarAsync<long>("select count(*) from jobs.job where fair is null"));
        await app.SchedulerAsync();
        gate.Open();
        await app.AllEndedAsync(35);
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select (select count(*) from jobs.fair_queue) + (select count(*) from jobs.fair_turn)"), n => n == 0, "fairness is forgotten", app.Log.Tail);
        Assert.Equal(35, app.Runs.Select(r => r.Context.Id).Distinct().Count());
        Assert.Null(Assert.Single(await app.Operator.QueuesAsync()).Fairness);
    }

    [Fact]
    public async Task Setting_that_was_not_finished_is_finished_by_the_scheduler()
    {
        await using var app = await TestApp.CreateAsync();
        await EnqueueAsync(app, 'a', 5);
        await app.SqlAsync("select jobs.set_fairness('default', '{text}')");
        await app.SqlAsync("update jobs.fair_queue set set_at = now() - interval '11 seconds'");
        Assert.Equal(5, await app.ScalarAsync<long>("select count(*) from jobs.job where fair is null"));
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<bool>("select filled from jobs.fair_queue"), f => f, "it is filled", app.Log.Tail);
        Assert.Equal(5, await app.ScalarAsync<long>("select count(*) from jobs.job where fair = 'a'"));
    }

    [Fact]
    public async Task Delayed_and_retried_jobs_take_their_turn_when_they_are_due()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Number == 0 ? gate.RunAsync(job, context, ct)
            : job.Text == "r" && context.Attempt == 1 ? throw new InvalidOperationException("once") : Runs.Done(job, context, ct), concurrency: 1, retry: new(delay: _ => TimeSpan.FromDays(1)));
        await app.Jobs.EnqueueAsync(new Work(1, "r"));
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.job where state = 'scheduled'"), n => n == 1, "it is to be tried again", app.Log.Tail);
        await app.Jobs.EnqueueAsync(new Work(2, "d"), new() { Delay = TimeSpan.FromDays(1) });
        await EnqueueAsync(app, 'a', 1);
        await gate.Begun;
        await EnqueueAsync(app, 'a', 19, from: 1);
        await app.SqlAsync("update jobs.job set due_at = now() where state = 'scheduled'");
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.job where state = 'queued' and fair in ('d', 'r')"), n => n == 2, "both are due", app.Log.Tail);
        gate.Open();
        await app.AllEndedAsync(22);
        Assert.Equal("radr", Order(app)[..4]);
    }

    [Fact]
    public async Task Every_way_in_gives_a_job_its_value_and_a_move_to_another_queue_takes_it_away()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        var batch = await app.Jobs.EnqueueAsync(new Work(1, "plain"));
        await app.Jobs.EnqueueAsync(new Work(2, "general"), new() { Id = JobId.New() });
        await app.Jobs.EnqueueAsync(new Work(3, "unique"), new() { Unique = new Unique { Key = "k" } });
        await app.Jobs.EnqueueAsync(new Work(4, "tied"), new() { Timeout = TimeSpan.FromMinutes(1) });
        await app.Jobs.EnqueueAsync(new Other(5));
        await app.SqlAsync("""select jobs.enqueue('test.work', '{"number": 6, "text": "sql"}')""");
        await app.SchedulerAsync();
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.job where state = 'queued'"), n => n == 6, "all are queued", app.Log.Tail);
        Assert.Equal(",general,plain,sql,tied,unique", await app.ScalarAsync<string>("select string_agg(fair, ',' order by fair) from jobs.job"));
        await app.Operator.MoveAsync(new JobFilter { Ids = [batch] }, new JobMove { Queue = new QueueName("elsewhere") });
        Assert.Equal(1, await app.ScalarAsync<long>("select count(*) from jobs.job where queue = 'elsewhere' and fair is null"));
        await app.Operator.MoveAsync(new JobFilter { Ids = [batch] }, new JobMove { Queue = Queue });
        Assert.Equal("plain", await app.ScalarAsync<string>("select fair from jobs.job where id = $1", batch.Value));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Limit_of_the_queue_lets_the_values_through_in_turn_and_what_it_has_let_through_waits_for_no_second_turn()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await app.Operator.SetFairWeightAsync(Queue, "c", 2);
        await app.Limits.SetAsync(new JobLimit("one") { Queue = "default", Slots = 1 });
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Number == 0 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), concurrency: 4);
        await EnqueueAsync(app, 'a', 1);
        await gate.Begun;
        await EnqueueAsync(app, 'a', 40, from: 1);
        await EnqueueAsync(app, 'b', 3, from: 1);
        await EnqueueAsync(app, 'c', 4, from: 1);
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.job where blocked_on = 'one:'"), n => n == 47, "all others are blocked", app.Log.Tail);
        gate.Open();
        await app.AllEndedAsync(48);
        Assert.Equal("a" + "abccabccab" + new string('a', 37), Order(app));
        Assert.All(app.Runs, r => Assert.Equal(1, r.Context.Attempt));
        Assert.Equal(0, await app.ScalarAsync<int>("select jobs.held(g) from jobs.gate g where id = 'one:'"));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Limit_that_holds_back_jobs_of_a_fair_queue_and_of_another_starves_neither()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await app.Limits.SetAsync(new JobLimit("one") { Type = "test.work", Slots = 1 });
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Number == 0 ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), more: w => w.Queue("default", 4).Queue("plain", 4));
        await EnqueueAsync(app, 'a', 1);
        await gate.Begun;
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(1, 5).Select(n => new Work(n, "p")), _ => new() { Queue = new QueueName("plain") });
        await EnqueueAsync(app, 'a', 5, from: 1);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(1, 5).Select(n => new Work(n, "q")), _ => new() { Queue = new QueueName("plain") });
        await Eventually.SeeAsync(() => app.ScalarAsync<long>("select count(*) from jobs.job where blocked_on = 'one:'"), n => n == 15, "all others are blocked", app.Log.Tail);
        gate.Open();
        await app.AllEndedAsync(16);
        Assert.Equal("appppp" + "aaaaa" + "qqqqq", Order(app));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Tickets_that_were_lost_are_sent_again_when_none_are_left()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await EnqueueAsync(app, 'a', 5);
        await EnqueueAsync(app, 'b', 5);
        await app.WaitForTicketsAsync("default", 10);
        await app.OnBrokerAsync(async channel => await channel.QueuePurgeAsync(app.QueueName("default")));
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(10);
        Assert.Equal("ababababab", Order(app));
    }

    [Fact]
    public async Task Old_ticket_of_a_fair_queue_proves_a_loss_only_when_a_marker_came_straight_back()
    {
        await using var app = await TestApp.CreateAsync();
        await EnqueueAsync(app, 'a', 1);
        await app.SqlAsync("update jobs.job set ticket_at = now() - interval '10 minutes'");
        await app.SqlAsync("insert into jobs.queue (name, marker_at, swept_to, swept_at) select 'default', t, t, t + interval '4 seconds' from (select now() - interval '2 minutes') x (t)");
        Assert.NotNull(Assert.Single(await app.Repair.OldestTicketsAsync(default)).SweptTo);
        Assert.Equal(1, await StuckAsync());
        await app.Operator.SetFairnessAsync(Queue, "text");
        Assert.Null(Assert.Single(await app.Repair.OldestTicketsAsync(default)).SweptTo);
        Assert.Equal(0, await StuckAsync());
        await app.SqlAsync("update jobs.queue set swept_at = swept_to + interval '2 seconds'");
        Assert.NotNull(Assert.Single(await app.Repair.OldestTicketsAsync(default)).SweptTo);
        Assert.Equal(1, await StuckAsync());

        Task<long> StuckAsync() => app.ScalarAsync<long>($"select count from ({Statements.Files("Sql/").Single(s => s.Name.StartsWith("audit_queued", StringComparison.Ordinal)).Text}) x (finding, count, oldest, places)");
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Paused_fair_queue_keeps_the_tickets_whose_jobs_others_have_started()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        var gate = new Gate();
        await app.WorkerAsync((job, context, ct) => job.Text == "b" ? gate.RunAsync(job, context, ct) : Runs.Done(job, context, ct), concurrency: 1);
        await app.Operator.PauseQueueAsync(Queue);
        await EnqueueAsync(app, 'a', 4);
        await EnqueueAsync(app, 'b', 1);
        await app.WaitForTicketsAsync("default", 5);
        await app.Operator.ResumeQueueAsync(Queue);
        await gate.Begun; // by a ticket of a job of a
        await app.Operator.PauseQueueAsync(Queue);
        gate.Open();
        await Eventually.SeeAsync(app.EndedAsync, n => n == 2, "two have ended", app.Log.Tail);
        await app.WaitForTicketsAsync("default", 3);
        await app.Operator.ResumeQueueAsync(Queue);
        await app.AllEndedAsync(5);
    }

    [Fact]
    public async Task Explanation_of_a_waiting_job_says_whose_turn_it_waits_for()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Operator.SetFairnessAsync(Queue, "text");
        await app.Operator.SetFairWeightAsync(Queue, "a", 3);
        await EnqueueAsync(app, 'a', 50);
        await EnqueueAsync(app, 'b', 1);
        await EnqueueAsync(app, 'c', 1, JobPriority.High);
        await EnqueueAsync(app, 'd', 1, from: 1);
        var gate = new Gate();
        await app.WorkerAsync(gate.RunAsync, concurrency: 1);
        await gate.Begun; // the one of c
        var last = await app.ScalarAsync<Guid>("select max(id::text)::uuid from jobs.job where fair = 'a' and state = 'queued'");
        var reason = (await app.Operator.ExplainAsync(new JobId(last))).Single(r => r.Code == "fair-turn");
        Assert.StartsWith("It waits for its turn: queue \"default\" is served in turn of text; 49 jobs of \"a\" are before it, and 3 values have jobs waiting at its priority. "
            + "Of what waits now up to 51 jobs are started before it", reason.Text, StringComparison.Ordinal);
        var b = await app.ScalarAsync<Guid>("select id from jobs.job where fair = 'b'");
        Assert.Contains("0 jobs of \"b\" are before it, and 3 values have jobs waiting at its priority. Of what waits now up to 4 jobs are started before it",
            (await app.Operator.ExplainAsync(new JobId(b))).Single(r => r.Code == "fair-turn").Text, StringComparison.Ordinal);
        gate.Open();
    }

    [Fact]
    public async Task What_is_not_allowed_is_refused_before_anything_is_written()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.Contains("no path", (await Assert.ThrowsAsync<ArgumentException>(() => app.Operator.SetFairnessAsync(Queue, "a..b"))).Message, StringComparison.Ordinal);
        Assert.Contains("not fair", (await Assert.ThrowsAsync<JobsException>(() => app.Operator.SetFairWeightAsync(Queue, "a", 2))).Message, StringComparison.Ordinal);
        await app.Operator.SetFairnessAsync(Queue, "text");
        foreach (var weight in new[] { 0, 1001 })
        {
            await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => app.Operator.SetFairWeightAsync(Queue, "a", weight));
        }

        await app.Operator.SetFairWeightAsync(Queue, "a", 1000);
        Assert.Equal(1000, Assert.Single(await app.Operator.QueuesAsync()).Fairness?.Weights["a"]);
    }

    private static Task EnqueueAsync(TestApp app, char value, int count, JobPriority? priority = null, int from = 0) =>
        app.Jobs.EnqueueManyAsync(Enumerable.Range(from, count).Select(n => new Work(n, value.ToString())), _ => new() { Priority = priority ?? JobPriority.Normal });

    private static string Order(TestApp app) => string.Concat(app.Runs.Select(r => r.Job.Text));
}
