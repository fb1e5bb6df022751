namespace Jobs;

/// <summary>How often and when a failed attempt is tried again.</summary>
/// <remarks>
/// The default waits n^4 + 15 s after the n-th failure, give or take 10 %: 16 s, 31 s, 96 s, 271 s, ... and gives up after 25 attempts, about 20 days.
/// The shape (a quartic polynomial with a floor of 15 s, 25 tries) is the one that Sidekiq made common.
/// </remarks>
public sealed class RetryPolicy
{
    private readonly Func<int, TimeSpan> _delay;

    /// <param name="maxAttempts">1 to 1000. 1 means no retry.</param>
    /// <param name="delay">The wait after the n-th failure, n from 1. Results under zero count as zero. Default n^4 + 15 s.</param>
    /// <param name="jitter">The share by which each wait is made longer or shorter at random, 0 to 0.5. Default 0.1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value outside its range.</exception>
    public RetryPolicy(int maxAttempts = 25, Func<int, TimeSpan>? delay = null, double jitter = 0.1)
    {
        MaxAttempts = maxAttempts is >= 1 and <= 1000 ? maxAttempts
            : throw new ArgumentOutOfRangeException(nameof(maxAttempts), maxAttempts, $"{maxAttempts} attempts are not allowed; use 1 to 1000.");
        Jitter = jitter is >= 0 and <= 0.5 ? jitter
            : throw new ArgumentOutOfRangeException(nameof(jitter), jitter, $"The jitter {jitter} is not allowed; use 0 to 0.5.");
        _delay = delay ?? Quartic;
    }

    /// <summary>25 attempts, n^4 + 15 s, 10 % jitter.</summary>
    public static RetryPolicy Default { get; } = new();

    /// <summary>After this many failed attempts the job has failed.</summary>
    public int MaxAttempts { get; }

    /// <summary>0 to 0.5.</summary>
    public double Jitter { get; }

    /// <summary>The wait after the n-th failure, jitter included, at most 10 years.</summary>
    public TimeSpan DelayAfter(int failures)
    {
        var seconds = _delay(failures).TotalSeconds * (1 + (Jitter * ((2 * Random.Shared.NextDouble()) - 1)));
        return TimeSpan.FromSeconds(Math.Clamp(seconds, 0, Delays.Max.TotalSeconds));
    }

    private static TimeSpan Quartic(int failures) => TimeSpan.FromSeconds(Math.Pow(failures, 4) + 15);
}
