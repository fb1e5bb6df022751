using System.Diagnostics;

namespace FileIndex.Demo;

/// <summary>This program in another role, as a process of its own. What it says is in a log file.</summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private const string Mark = "FILEINDEX_PARENT";

    private readonly Process _process;
    private readonly TextWriter _log;
    private readonly string _logPath;
    private string _lastLine = "";
    private bool _killed;

    private ChildProcess(string name, string logPath, Process process)
    {
        (Name, _logPath, _process) = (name, logPath, process);
        _log = TextWriter.Synchronized(new StreamWriter(logPath) { AutoFlush = true });
        process.OutputDataReceived += (_, e) => Note(e.Data, answer: true);
        process.ErrorDataReceived += (_, e) => Note(e.Data, answer: false);
    }

    public string Name { get; }

    public int Id => _process.Id;

    public bool IsAlive => !_process.HasExited;

    /// <param name="name">For people, and of its log file.</param>
    /// <param name="schema">The stage it plays on.</param>
    /// <param name="logs">The folder of log files.</param>
    /// <param name="role">The arguments of this program.</param>
    public static ChildProcess Start(string name, string schema, string logs, params string[] role)
    {
        var program = Environment.ProcessPath!;
        var start = new ProcessStartInfo(program)
        {
            UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            start.ArgumentList.Add(typeof(ChildProcess).Assembly.Location);
        }

        foreach (var argument in role)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["JOBS_SCHEMA"] = schema;
        start.Environment[Mark] = Environment.ProcessId.ToString();
        start.Environment["Logging__LogLevel__Default"] = "Warning";
        start.Environment["Logging__LogLevel__Microsoft.Hosting.Lifetime"] = "Warning";
        start.Environment["Logging__Console__LogToStandardErrorThreshold"] = "Trace";
        start.Environment["Logging__Console__FormatterName"] = "simple";
        start.Environment["Logging__Console__FormatterOptions__TimestampFormat"] = "HH:mm:ss.fff ";
        var child = new ChildProcess(name, Path.Combine(logs, name.Replace(' ', '-') + ".log"), Process.Start(start)!);
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>In a child: ends this process when the demo is gone, however it went. Its end of our standard input closes then.</summary>
    public static void EndWithParent()
    {
        if (Environment.GetEnvironmentVariable(Mark) is null)
        {
            return;
        }

        _ = Task.Run(async () =>
        {
            await Console.OpenStandardInput().CopyToAsync(Stream.Null);
            Process.GetCurrentProcess().Kill();
        });
    }

    /// <summary>The last line that a child printed as its answer, once it has ended well; null while it runs.</summary>
    /// <exception cref="DemoException">It ended with an error.</exception>
    public string? Answer()
    {
        if (IsAlive)
        {
            return null;
        }

        _process.WaitForExit(); // until its last line has been read
        return _process.ExitCode == 0 ? _lastLine : throw Ended();
    }

    /// <exception cref="DemoException">It ended although nobody killed it.</exception>
    public void CheckAlive()
    {
        if (!_killed && !IsAlive)
        {
            _process.WaitForExit();
            throw Ended();
        }
    }

    /// <summary>SIGKILL: no handler runs, nothing is said goodbye to. Returns when it is dead.</summary>
    public async Task KillAsync()
    {
        _killed = true;
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (IsAlive)
        {
            await KillAsync();
        }

        _process.Dispose();
        await _log.DisposeAsync();
    }

    private DemoException Ended() => new($"The {Name} ended by itself with exit code {_process.ExitCode}{(_lastLine.Length > 0 ? $": {_lastLine}" : "")}. Its log: {_logPath}");

    private void Note(string? line, bool answer)
    {
        if (line is null)
        {
            return;
        }

        _log.WriteLine(line);
        if (answer || line.StartsWith("Unhandled exception", StringComparison.Ordinal))
        {
            _lastLine = line;
        }
    }
}
