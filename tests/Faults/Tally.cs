namespace Jobs.Tests.Faults;

/// <summary>What a whole run of the tests has seen.</summary>
internal static class Tally
{
    private static long _jobs;
    private static long _reruns;
    private static long _kills;
    private static long _transactions;

    /// <summary>How much more of everything: 1, or 10 in a soak.</summary>
    public static int Scale { get; } = Environment.GetEnvironmentVariable("JOBS_TEST_SOAK") is "1" ? 10 : 1;

    public static List<double> RescueSeconds { get; } = [];

    public static void Add(long jobs, long reruns) => (_jobs, _reruns) = (_jobs + jobs, _reruns + reruns);

    /// <summary>More for the summary.</summary>
    public static List<string> Notes { get; } = [];

    public static void Transactions(long ended) => _transactions += ended;

    public static void Kill() => Interlocked.Increment(ref _kills);

    public static string Summary => $"Faults: {_jobs} jobs and {_transactions} transactions ended as promised, {_kills} kills, {_reruns} re-runs"
        + (RescueSeconds.Count == 0 ? "" : $"; {Rescue}") + string.Concat(Notes.Select(n => $"; {n}"));

    public static string Rescue => $"rescue after SIGKILL p50 {Percentile(0.5):F2} s, p99 {Percentile(0.99):F2} s, longest {RescueSeconds.Max():F2} s ({RescueSeconds.Count} kills)";

    private static double Percentile(double p)
    {
        var sorted = RescueSeconds.Order().ToList();
        return sorted[(int)Math.Ceiling(p * sorted.Count) - 1];
    }
}
