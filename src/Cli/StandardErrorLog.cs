using Microsoft.Extensions.Logging;

namespace Jobs.Cli;

/// <summary>What the platform has to say while a short command runs: one line each on stderr, so that stdout stays the answer.</summary>
internal sealed class StandardErrorLog(bool verbose) : ILoggerProvider, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var word = logLevel switch { LogLevel.Warning => "warning", >= LogLevel.Error => "error", _ => "note" };
        Console.Error.WriteLine($"{word}: {formatter(state, exception)}");
        if (verbose && exception is not null)
        {
            Console.Error.WriteLine(exception);
        }
    }

    public void Dispose()
    {
    }
}
