using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Jobs.Tests.Faults;

/// <summary>One real process of the installation under test.</summary>
internal sealed partial class Child : IDisposable
{
    private readonly Process _process;
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Child(string name, string role, string folder, IReadOnlyDictionary<string, string> environment, IEnumerable<string> arguments)
    {
        (Name, Role, Log, Runs) = (name, role, Path.Combine(folder, name + ".log"), Path.Combine(folder, name + ".runs"));
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "FaultHost.dll"), role, $"--Name={name}", $"--Log={Log}", $"--Runs={Runs}", .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true, // held open: the process ends when we do
        };
        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.Exited += (_, _) => _exited.SetResult();
        _process.Start();
    }

    public string Name { get; }

    public string Role { get; }

    /// <summary>Where it kills itself, if it does.</summary>
    public string? CrashAt { get; init; }

    public string Log { get; }

    public string Runs { get; }

    public int Id => _process.Id;

    public Task Exited => _exited.Task;

    public bool HasExited => _exited.Task.IsCompleted;

    public int ExitCode => _process.ExitCode;

    /// <summary>SIGKILL it was: 128 + 9, or on Windows the code of <c>Process.Kill</c>.</summary>
    public bool WasKilled => HasExited && ExitCode == (OperatingSystem.IsWindows() ? -1 : 137);

    /// <summary>How many handlers it has started.</summary>
    public int Started => LineFile.Read(Runs).Count();

    public void Kill() => _process.Kill();

    public void Signal(int signal) => Signals.Send(Id, signal);

    /// <summary>Whether its log holds a line with this event id.</summary>
    public bool Logged(int eventId) => LineFile.Read(Log).Any(l => l.Contains($" [{eventId}] ", StringComparison.Ordinal));

    /// <summary>How many of its outcomes were refused, as its log says.</summary>
    public int Refused => LineFile.Read(Log).Select(l => RefusedLine().Match(l)).Where(m => m.Success).Sum(m => int.Parse(m.Groups["count"].Value));

    public async Task<int> ExitAsync(TimeSpan? deadline = null)
    {
        await Eventually.HoldsAsync($"process {Name} has ended", () => HasExited, deadline);
        return ExitCode;
    }

    public void Dispose()
    {
        if (!HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    [GeneratedRegex(@" \[1431\] .*: (?<count>\d+) of \d+ outcomes were refused", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RefusedLine();
}
