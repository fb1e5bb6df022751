using Microsoft.Extensions.Logging;

namespace Jobs.Tests.FaultHost;

/// <summary>Logs to a file that is complete after a SIGKILL.</summary>
internal sealed class FileLogProvider(string path) : ILoggerProvider
{
    private readonly LineFile _file = new(path);

    public ILogger CreateLogger(string categoryName) => new FileLog(_file, categoryName);

    public void Dispose() => _file.Dispose();

    private sealed class FileLog(LineFile file, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                file.Append($"{TimeProvider.System.GetUtcNow():HH:mm:ss.fff} {logLevel.ToString()[..4]} [{eventId.Id}] {category}: {formatter(state, exception)}"
                    + (exception is null ? "" : $"\n{exception}"));
            }
        }
    }
}
