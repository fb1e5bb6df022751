namespace Jobs.Transactions;

/// <summary>A participant's word on its branch.</summary>
public sealed record Vote
{
    /// <summary>The longest reason that is kept; the rest is cut.</summary>
    internal const int MaxReason = 2000;

    private Vote(bool isYes, string? reason) => (IsYes, Reason) = (isYes, reason);

    /// <summary>The branch can be committed, whatever happens from now on.</summary>
    public static readonly Vote Yes = new(true, null);

    /// <summary>It cannot. The whole transaction is aborted.</summary>
    /// <param name="reason">Why, for people: 1 to 2,000 characters, more is cut.</param>
    /// <exception cref="ArgumentException">The reason is empty.</exception>
    public static Vote No(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        return new Vote(false, reason.Length > MaxReason ? reason[..MaxReason] : reason);
    }

    /// <summary>Whether it is a yes.</summary>
    public bool IsYes { get; }

    /// <summary>Why not; null with a yes.</summary>
    public string? Reason { get; }
}
