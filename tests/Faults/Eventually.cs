using System.Diagnostics;

namespace Jobs.Tests.Faults;

/// <summary>The one way in which these tests wait: for a condition, with a deadline.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    /// <summary>Ends when <paramref name="condition"/> holds. Errors count as "not yet": the server that is asked may be the one that is down.</summary>
    public static async Task HoldsAsync(string what, Func<Task<bool>> condition, TimeSpan? deadline = null, Func<Task<string>>? explain = null)
    {
        var clock = Stopwatch.StartNew();
        Exception? last = null;
        while (true)
        {
            try
            {
                if (await condition())
                {
                    return;
                }

                last = null;
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                last = e;
            }

            if (clock.Elapsed > (deadline ?? Deadline))
            {
                Assert.Fail($"Waited {clock.Elapsed.TotalSeconds:F0} s in vain until {what}. {last?.Message}\n{(explain is null ? "" : await explain())}");
            }

            await Task.Delay(Interval);
        }
    }

    public static Task HoldsAsync(string what, Func<bool> condition, TimeSpan? deadline = null) => HoldsAsync(what, () => Task.FromResult(condition()), deadline);
}
