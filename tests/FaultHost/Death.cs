using System.Diagnostics;

namespace Jobs.Tests.FaultHost;

internal static class Death
{
    /// <summary>SIGKILL to this process.</summary>
    public static void Now()
    {
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}
