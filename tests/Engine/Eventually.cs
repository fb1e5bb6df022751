namespace Jobs.Tests;

/// <summary>The one place where tests wait: for a signal, or by looking again until something is so. Nothing here says how fast; it only ends a wait that would never end.</summary>
internal static class Eventually
{
    /// <summary>Far more than anything takes, on a machine that does other things too.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(45);

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    /// <summary>Looks until <paramref name="done"/> says yes, and returns what was seen then.</summary>
    public static async Task<T> SeeAsync<T>(Func<Task<T>> look, Func<T, bool> done, string what, Func<string>? more = null)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var seen = await look();
            if (done(seen))
            {
                return seen;
            }

            if (TimeProvider.System.GetElapsedTime(began) > Patience)
            {
                throw new TimeoutException($"Waited {Patience.TotalSeconds} s for: {what}. Seen last: {seen}. {more?.Invoke()}");
            }

            await Task.Delay(Look);
        }
    }

    /// <summary>The signal, or an error that says it never came.</summary>
    public static Task InTimeAsync(this Task signal) => signal.WaitAsync(Patience);

    /// <inheritdoc cref="InTimeAsync(Task)"/>
    public static Task<T> InTimeAsync<T>(this Task<T> signal) => signal.WaitAsync(Patience);
}
