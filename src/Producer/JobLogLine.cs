using Microsoft.Extensions.Logging;

namespace Jobs;

/// <summary>One line that a handler wrote to a logger while its attempt ran.</summary>
/// <param name="Attempt">Which attempt.</param>
/// <param name="Number">Counts the lines of the attempt, from 1.</param>
/// <param name="At">When it was written, by the worker's clock.</param>
/// <param name="Level">Its level.</param>
/// <param name="Category">The logger's category; <c>Jobs</c> for what is said about the log itself.</param>
/// <param name="Text">The message; a line that was too long ends with "...".</param>
public sealed record JobLogLine(int Attempt, int Number, DateTimeOffset At, LogLevel Level, string Category, string Text)
{
    /// <summary>The exception that was logged with it, with its stack.</summary>
    public string? Error { get; init; }

    /// <summary>The scopes in which it was written, outermost first.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];
}

/// <summary>Which lines of a job's log.</summary>
public sealed record JobLogQuery
{
    /// <summary>Only of this attempt. Default: of all.</summary>
    public int? Attempt { get; init; }

    /// <summary>Only of this level and above. Default: all that were kept (<c>WorkerOptions.LogLevel</c>).</summary>
    public LogLevel Level { get; init; } = LogLevel.Trace;

    /// <summary>Only what comes after this line: the last one that was read.</summary>
    public (int Attempt, int Number) After { get; init; }

    /// <summary>Wait for more lines until the job has ended. Default false.</summary>
    public bool Follow { get; init; }
}
