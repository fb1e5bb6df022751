namespace Jobs;

/// <summary>
/// A limit that holds in the whole installation: for the jobs of a queue, of a type, or of both, and with a key separately for each value in their arguments. Give slots, a rate, or both.
/// </summary>
/// <param name="Name">1 to 100 letters, digits, <c>. _ -</c>. Setting a limit again under its name changes it.</param>
public sealed record JobLimit(string Name)
{
    /// <summary>The queue whose jobs it limits; null: any.</summary>
    public string? Queue { get; init; }

    /// <summary>The type of job that it limits; null: any.</summary>
    public string? Type { get; init; }

    /// <summary>
    /// Path into the arguments, names joined by dots, for example <c>tenantId</c> or <c>customer.id</c> as they stand in the JSON: a limit of its own for each value. Jobs whose
    /// arguments have nothing there are not limited. Null: one limit for all.
    /// </summary>
    public string? Key { get; init; }

    /// <summary>So many may run at once, never more, in the whole installation. 0 to 1,000,000; null: any number.</summary>
    public int? Slots { get; init; }

    /// <summary>How many may start in a time; null: any number.</summary>
    public RateLimit? Rate { get; init; }
}

/// <summary>How many tokens may be used up in a time. A job takes one, or what <see cref="Cost"/> says.</summary>
/// <param name="Tokens">Over 0, up to 1,000,000 a second.</param>
/// <param name="Per">1 ms to 31 days.</param>
public sealed record RateLimit(double Tokens, TimeSpan Per)
{
    /// <summary>Default: <see cref="RateAlgorithm.TokenBucket"/>.</summary>
    public RateAlgorithm Algorithm { get; init; }

    /// <summary>Token bucket: how many tokens it holds, so how many may start at once after a quiet time. At least 1. Default: what comes in a second, or 1.</summary>
    public double? Burst { get; init; }

    /// <summary>Path into the arguments to the number of tokens that a job takes; where nothing or no positive number is there, and without it: 1.</summary>
    public string? Cost { get; init; }

    /// <summary>The size of the bucket.</summary>
    internal double Size => Burst ?? Math.Max(1, Tokens / Per.TotalSeconds);
}

/// <summary>How tokens are counted. With a rate of r = Tokens / Per, and w any span of time:</summary>
public enum RateAlgorithm
{
    /// <summary>At most r * w + Burst start in w. (The Generic Cell Rate Algorithm, ITU-T I.371.)</summary>
    TokenBucket,

    /// <summary>Evenly spaced: after a job of cost c, nothing starts for c / r.</summary>
    LeakyBucket,

    /// <summary>At most Tokens start in each period of the length Per, counted from 1970-01-01 UTC; so up to twice as many at the border of two.</summary>
    FixedWindow,

    /// <summary>At most Tokens start in any span as long as Per. It is counted in hundredths of Per, which uses at least 99 % of the limit.</summary>
    SlidingWindow,
}
