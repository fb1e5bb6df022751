using Jobs.Worker;

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
