namespace Jobs.Postgres;

/// <summary>The states as the database writes them.</summary>
internal static class Words
{
    public static string Of(JobState state) => state switch
    {
        JobState.Pending => "pending",
        JobState.Scheduled => "scheduled",
        JobState.Queued => "queued",
        JobState.Blocked => "blocked",
        JobState.Running => "running",
        JobState.Succeeded => "succeeded",
        JobState.Failed => "failed",
        JobState.Cancelled => "cancelled",
        JobState.Expired => "expired",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "Not a job state."),
    };

    public static JobState State(string word) => Enum.Parse<JobState>(word, ignoreCase: true);
}
