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

    public static string Of(Otherwise effect) => effect switch
    {
        Otherwise.Cancel => "cancel",
        Otherwise.Run => "run",
        Otherwise.Hold => "hold",
        _ => throw new ArgumentOutOfRangeException(nameof(effect), effect, "Not something to do otherwise."),
    };

    public static JobState State(string word) => Enum.Parse<JobState>(word, ignoreCase: true);
}
