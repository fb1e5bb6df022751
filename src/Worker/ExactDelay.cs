namespace Jobs.Worker;

/// <summary>A delay that is never too short. A timer cuts off fractions of a millisecond, and goes by a clock that may be some milliseconds behind.</summary>
internal static class ExactDelay
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

    /// <summary>Ends when that time has passed, or at <paramref name="stop"/>.</summary>
    public static async Task WaitAsync(TimeSpan delay, TimeProvider time, CancellationToken stop)
    {
        var begun = time.GetTimestamp();
        for (var left = delay; left > TimeSpan.Zero && !stop.IsCancellationRequested; left = delay - time.GetElapsedTime(begun))
        {
            await Task.Delay(left > Tick ? left : Tick, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
