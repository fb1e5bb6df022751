namespace Jobs.Tests.Engine;

/// <summary>The small values of the surface: a wrong one cannot exist.</summary>
public sealed class ValueTests
{
    [Fact]
    public void Job_ids_are_version_7_in_order_of_time_and_know_it()
    {
        var time = new DateTimeOffset(2026, 3, 4, 5, 6, 7, 890, TimeSpan.Zero);
        var (earlier, later) = (new JobId(Guid.CreateVersion7(time)), new JobId(Guid.CreateVersion7(time.AddMilliseconds(1))));
        Assert.Equal((time, time.AddMilliseconds(1)), (earlier.CreatedAt, later.CreatedAt));
        Assert.True(string.CompareOrdinal(earlier.ToString(), later.ToString()) < 0);
        Assert.Equal(7, JobId.New().Value.Version);
        Assert.NotEqual(JobId.New(), JobId.New());
        Assert.Equal(DateTimeOffset.UnixEpoch, new JobId(new Guid("7d444840-9dc0-4d51-b2f5-000000000001")).CreatedAt);
        Assert.Equal(DateTimeOffset.UnixEpoch, default(JobId).CreatedAt);
        Assert.Equal(9999, new JobId(new Guid("ffffffff-ffff-7fff-bfff-ffffffffffff")).CreatedAt.Year);
    }

    [Fact]
    public async Task Job_ids_of_a_process_are_all_different_and_in_the_order_in_which_they_were_made()
    {
        var before = TimeProvider.System.GetUtcNow();
        var made = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => Enumerable.Range(0, 20_000).Select(_ => JobId.New()).ToArray())));
        Assert.All(made, ids => Assert.Equal(ids.OrderBy(i => i.ToString(), StringComparer.Ordinal), ids));
        Assert.Equal(80_000, made.SelectMany(ids => ids).Distinct().Count());
        Assert.All(made, ids => Assert.InRange(ids[^1].CreatedAt, before.AddMilliseconds(-1), TimeProvider.System.GetUtcNow().AddSeconds(1)));
        Assert.All(made[0], i => Assert.Equal((7, 8), (i.Value.Version, i.Value.Variant & 0xC)));
    }

    [Fact]
    public void Job_ids_are_read_back_and_garbage_is_named()
    {
        var id = JobId.New();
        Assert.Equal(id, JobId.Parse(id.ToString()));
        Assert.False(JobId.TryParse("nonsense", null, out _));
        Assert.False(JobId.TryParse(null, null, out _));
        Assert.Contains("\"nonsense\" is not a job id", Assert.Throws<FormatException>(() => JobId.Parse("nonsense")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("0")]
    [InlineData("Mail.out_2-x")]
    [InlineData("malformed2")]
    public void Queue_names_that_are_allowed(string name) => Assert.Equal(name, new QueueName(name).ToString());

    [Theory]
    [InlineData("")]
    [InlineData(".a")]
    [InlineData("_a")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a#")]
    [InlineData("ä")]
    [InlineData("a\0")]
    [InlineData("malformed")]
    public void Queue_names_that_are_not_allowed(string name) => Assert.Throws<ArgumentException>(() => new QueueName(name));

    [Fact]
    public void Queue_name_that_was_never_set_is_the_default() => Assert.Equal(("default", "default"), (default(QueueName).Value, QueueName.Default.Value));

    [Fact]
    public void Priorities_are_0_to_31_and_ordered()
    {
        Assert.Equal([0, 8, 16, 24, 31], new[] { JobPriority.Lowest, JobPriority.Low, JobPriority.Normal, JobPriority.High, JobPriority.Highest }.Select(p => (int)p.Value));
        Assert.Throws<ArgumentOutOfRangeException>(() => new JobPriority(32));
        Assert.Throws<ArgumentOutOfRangeException>(() => new JobPriority(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new JobPriority(256));
        Assert.True(JobPriority.High.CompareTo(JobPriority.Low) > 0);
        Assert.Equal("16", JobPriority.Normal.ToString());
    }

    [Theory]
    [InlineData(1, 16)]
    [InlineData(2, 31)]
    [InlineData(3, 96)]
    [InlineData(4, 271)]
    [InlineData(24, 331_791)]
    public void Default_delay_is_n_to_the_fourth_and_15_seconds_give_or_take_a_tenth(int failures, double seconds)
    {
        var delays = Enumerable.Range(0, 500).Select(_ => RetryPolicy.Default.DelayAfter(failures).TotalSeconds).ToList();
        Assert.All(delays, d => Assert.InRange(d, seconds * 0.9, seconds * 1.1));
        Assert.True(delays.Min() < seconds * 0.95 && delays.Max() > seconds * 1.05, "the jitter uses its range");
        Assert.Equal(TimeSpan.FromSeconds(seconds), new RetryPolicy(jitter: 0).DelayAfter(failures));
    }

    [Fact]
    public void Retry_policy_is_25_attempts_and_refuses_what_makes_no_sense()
    {
        Assert.Equal((25, 0.1), (RetryPolicy.Default.MaxAttempts, RetryPolicy.Default.Jitter));
        foreach (var attempts in new[] { 0, -1, 1001 })
        {
            Assert.Contains($"{attempts} attempts are not allowed", Assert.Throws<ArgumentOutOfRangeException>(() => new RetryPolicy(attempts)).Message, StringComparison.Ordinal);
        }

        foreach (var jitter in new[] { -0.01, 0.51, double.NaN })
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => new RetryPolicy(jitter: jitter));
        }

        Assert.Equal(TimeSpan.Zero, new RetryPolicy(delay: _ => TimeSpan.FromSeconds(-5)).DelayAfter(1));
        Assert.Equal(3653, new RetryPolicy(delay: _ => TimeSpan.MaxValue).DelayAfter(1).TotalDays);
    }

    [Fact]
    public void Outcomes_refuse_what_makes_no_sense()
    {
        Assert.Contains("-00:00:01", Assert.Throws<ArgumentOutOfRangeException>(() => JobOutcome.SnoozeFor(TimeSpan.FromSeconds(-1))).Message, StringComparison.Ordinal);
        Assert.Contains("-00:00:01", Assert.Throws<ArgumentOutOfRangeException>(() => JobOutcome.RateLimited(TimeSpan.FromSeconds(-1))).Message, StringComparison.Ordinal);
        Assert.Contains("a b", Assert.Throws<ArgumentException>(() => JobOutcome.RateLimited(TimeSpan.Zero, "a b")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => JobOutcome.RetryAfter(TimeSpan.FromDays(3654), "later"));
        Assert.Throws<ArgumentNullException>(() => JobOutcome.WithResult(null!));
        Assert.Equal(JobOutcome.Succeeded, JobOutcome.Succeeded);
    }
}
