namespace Jobs.Tests.Engine;

/// <summary>A worker that stops loses nothing and uses up nothing.</summary>
public sealed class ShutdownTests
{
    [Trait("Category", "Slow")]
    [Theory]
    [InlineData(false)]
    [InlineData(true)] // the handler swallows the cancellation and never returns
    public async Task Job_that_outlasts_the_grace_period_is_handed_back_and_runs_again(bool stubborn)
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate { Stubborn = stubborn };
        var host = await app.WorkerAsync(gate.RunAsync, more: w => w.ShutdownGrace = TimeSpan.FromMilliseconds(50));
        var id = await app.Jobs.EnqueueAsync(new Work());
        await gate.Begun;

        await app.StopAsync(host);
        await gate.Cancelled;
        var back = await app.GetAsync(id);
        Assert.Equal((JobState.Queued, 1, 0, 0, null), (back.State, back.Attempt, back.Failures, back.Crashes, back.Session));
        Assert.Empty(back.Errors);
        gate.Open();

        await app.WorkerAsync(Runs.Done);
        var ended = await app.EndedAsync(id);
        Assert.Equal((JobState.Succeeded, 2, 0, 0), (ended.State, ended.Attempt, ended.Failures, ended.Crashes));
        Assert.Equal((0, 1), (await app.LiveAsync(), await app.EndedAsync()));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Job_that_finishes_within_the_grace_period_has_succeeded_and_none_is_begun_meanwhile()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var host = await app.WorkerAsync(gate.RunAsync, concurrency: 2, more: w => w.ShutdownGrace = Eventually.Patience);
        var running = await app.Jobs.EnqueueAsync(new Work(1));
        await gate.Begun;

        var stopping = host.StopAsync();
        await app.LoggedAsync(1401); // stopping; one slot is free
        await Eventually.SeeAsync(() => ConsumersAsync(app), n => n == 0, "the worker no longer consumes");
        var late = await app.Jobs.EnqueueAsync(new Work(2));
        await app.WaitForTicketsAsync("default", 1);
        gate.Open();
        await stopping;

        Assert.Equal((JobState.Succeeded, 1), ((await app.GetAsync(running)).State, (await app.GetAsync(running)).Attempt));
        Assert.Equal((JobState.Queued, 0), ((await app.GetAsync(late)).State, (await app.GetAsync(late)).Attempt));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Tickets_in_the_buffer_of_a_stopping_worker_go_to_another()
    {
        await using var app = await TestApp.CreateAsync();
        var gate = new Gate();
        var host = await app.WorkerAsync(gate.RunAsync, concurrency: 1, more: w => w.ShutdownGrace = TimeSpan.Zero);
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 5).Select(n => new Work(n)));
        await gate.Begun;
        await app.StopAsync(host);

        await app.WorkerAsync(Runs.Done, concurrency: 1);
        await app.AllEndedAsync(5);
        Assert.Equal(6, app.Runs.Count); // the first of them twice
        Assert.All(await app.Operator.ListAsync(new()), j => Assert.Equal((JobState.Succeeded, 0), (j.State, j.Failures)));
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Enqueued_jobs_tickets_are_published_before_a_producer_has_stopped()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.ProducerAsync();
        var jobs = (IJobClient)host.Services.GetService(typeof(IJobClient))!;
        await jobs.EnqueueManyAsync(Enumerable.Range(0, 3000).Select(n => new Work(n)));
        await app.StopAsync(host);
        await app.WaitForTicketsAsync("default", 3000);
    }

    private static Task<uint> ConsumersAsync(TestApp app) =>
        app.OnBrokerAsync(async channel => (await channel.QueueDeclarePassiveAsync(app.QueueName("default"))).ConsumerCount);
}
