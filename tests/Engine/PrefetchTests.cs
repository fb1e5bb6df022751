using Jobs.RabbitMq;
using Jobs.Worker;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jobs.Tests.Engine;

/// <summary>How many tickets are pushed ahead, which is how many may run out of priority order.</summary>
public sealed class PrefetchTests
{
    private readonly Clock _clock = new();

    [Theory]
    [InlineData(1, 2)]
    [InlineData(20, 40)]
    [InlineData(10_000, 20_000)]
    public void Slow_jobs_have_two_tickets_a_slot(int concurrency, int expected)
    {
        var prefetch = new Prefetch(concurrency, _clock);
        Assert.Equal(expected, prefetch.Current);
        Assert.False(Claim(prefetch, 0));
        Assert.False(Claim(prefetch, 5));
        Assert.Equal(expected, prefetch.Current);
    }

    [Fact]
    public void Quick_jobs_have_what_50_ms_take_and_lose_it_when_the_pace_drops()
    {
        var prefetch = new Prefetch(20, _clock);
        Assert.True(Claim(prefetch, 1000)); // 4,000 a second
        Assert.Equal(200, prefetch.Current);
        Assert.False(Claim(prefetch, 1200)); // about the same: not worth a new consumer
        Assert.False(Claim(prefetch, 500));
        Assert.True(Claim(prefetch, 1_000_000));
        Assert.Equal(1000, prefetch.Current);
        Assert.True(Claim(prefetch, 0));
        Assert.Equal(40, prefetch.Current);
        Assert.False(Claim(prefetch, 0));
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Every_ticket_arrives_while_the_prefetch_changes_again_and_again()
    {
        const int Count = 20_000;
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, Count).Select(n => new Work(n)));
        await app.WaitForTicketsAsync("default", Count);

        var options = new JobsOptions { RabbitMq = app.Servers.RabbitMq, Schema = app.Schema };
        await using var connection = new BrokerConnection(options, "consume", NullLogger.Instance);
        var consumer = new TicketConsumer(connection, new Topology(options), "default", 50, (_, _) => Task.CompletedTask, TimeProvider.System, NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        var run = consumer.RunAsync(stop.Token);
        var seen = new HashSet<JobId>();
        var take = Task.Run(async () =>
        {
            while (seen.Count < Count && await consumer.WaitAsync(stop.Token))
            {
                Delivery last = default;
                while (consumer.TryTake(out var delivery))
                {
                    seen.Add((last = delivery).Id);
                }

                await consumer.AckThroughAsync(last, stop.Token);
            }
        });
        var all = take.InTimeAsync(); // without the help of a scheduler
        for (var n = 0; !all.IsCompleted; n++)
        {
            await consumer.ResizeAsync(n % 2 == 0 ? 1000 : 100, stop.Token);
            await Task.Yield();
        }

        await all;
        await stop.CancelAsync();
        await run;
        await consumer.CloseAsync();
    }

    private bool Claim(Prefetch prefetch, int jobs)
    {
        _clock.Now += TimeSpan.FromMilliseconds(250);
        return prefetch.Adjust(jobs);
    }

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
