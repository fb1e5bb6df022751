using System.Diagnostics;

namespace Jobs;

/// <summary>
/// The numbered places of docs/FAILURES.md where the fault tests kill the process with SIGKILL. Calls are compiled into Debug builds only.
/// <c>JOBS_CRASH_AT=X3:5</c> kills at the fifth time that X3 is reached.
/// </summary>
internal static class CrashPoint
{
    private static readonly string? Name;
    private static int _left;

    static CrashPoint()
    {
        var spec = Environment.GetEnvironmentVariable("JOBS_CRASH_AT")?.Split(':');
        Name = spec?[0];
        _left = spec?.Length > 1 ? int.Parse(spec[1]) : 1;
    }

    [Conditional("CRASH_POINTS")]
    public static void Hit(string name)
    {
        if (name == Name && Interlocked.Decrement(ref _left) == 0)
        {
            using var self = Process.GetCurrentProcess();
            self.Kill(); // SIGKILL on Unix: no handler, no flush, no goodbye
#pragma warning disable RS0030 // nothing may run after the kill while the signal is on its way
            Thread.Sleep(Timeout.Infinite);
#pragma warning restore RS0030
        }
    }
}
