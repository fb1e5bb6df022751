using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jobs.Worker;

/// <summary>Hears what is written to any logger, and keeps what belongs to an attempt that runs. The platform's own lines are not the handler's.</summary>
[ProviderAlias("Jobs")]
internal sealed class AttemptLogProvider(CurrentAttempt current, WorkerOptions options, TimeProvider time) : ILoggerProvider, ISupportExternalScope
{
    private static readonly string[] OwnRooms = ["Jobs.Postgres.", "Jobs.RabbitMq.", "Jobs.Coordination.", "Jobs.Producer.", "Jobs.EntityFrameworkCore.", "Jobs.Worker.", "Jobs.Scheduler."];

    private readonly CurrentAttempt _current = current;
    private readonly TimeProvider _time = time;
    private readonly LogLevel _level = options.LogLevel;
    private readonly bool _captures = options.CaptureLogs;
    private IExternalScopeProvider? _scopes;

    public ILogger CreateLogger(string categoryName) =>
        !_captures || Array.Exists(OwnRooms, r => categoryName.StartsWith(r, StringComparison.Ordinal)) ? NullLogger.Instance : new Logger(this, categoryName);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose()
    {
        // nothing is held
    }

    /// <summary>Outermost first; null when there are none.</summary>
    private List<string>? Scopes()
    {
        var scopes = new List<string>();
        _scopes?.ForEachScope(static (scope, list) =>
        {
            // The span's ids are on the job; the logging framework would repeat them on every line.
            if (scope is not null && scope.GetType().Name != "ActivityLogScope")
            {
                list.Add(Text(scope));
            }
        }, scopes);
        return scopes.Count == 0 ? null : scopes;
    }

    /// <summary>A template says by itself what its values mean, a dictionary does not.</summary>
    private static string Text(object scope) => scope is IEnumerable<KeyValuePair<string, object?>> pairs && !pairs.Any(p => p.Key == "{OriginalFormat}")
        ? string.Join(", ", pairs.Select(p => $"{p.Key}={p.Value}")) : scope.ToString() ?? "";

    private sealed class Logger(AttemptLogProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null; // kept by the framework, for all providers

        public bool IsEnabled(LogLevel logLevel) => logLevel >= provider._level && logLevel != LogLevel.None && provider._current.Value is { IsSettled: false };

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                provider._current.Value!.Keep(new LogLine(provider._time.GetUtcNow(), logLevel, category, formatter(state, exception), exception?.ToString(), provider.Scopes()));
            }
        }
    }
}
