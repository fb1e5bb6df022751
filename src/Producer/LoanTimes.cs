namespace Jobs.Producer;

/// <summary>For how long tokens are asked for, in seconds. Answers that took longer than that would be useless for ever: so both grow with the round trip.</summary>
internal sealed class LoanTimes
{
    private const double Longest = 2;
    private const int RoundTrips = 4;

    /// <summary>Of the last answer. At first nothing is known, and a connection may have to be opened.</summary>
    public TimeSpan RoundTrip { get; set; } = TimeSpan.FromMilliseconds(25);

    /// <summary>In blocks: 5,000 tokens a second cost twenty statements a second.</summary>
    public double Block => Of(0.05);

    /// <summary>Where a loan costs what the rate gives meanwhile.</summary>
    public double Alone => Of(0.005);

    private double Of(double usual) => Math.Min(Longest, Math.Max(usual, RoundTrips * RoundTrip.TotalSeconds));
}
