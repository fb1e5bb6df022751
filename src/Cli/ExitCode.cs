namespace Jobs.Cli;

/// <summary>What the shell is told.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;

    /// <summary>`jobs doctor`: somebody should look at it by day.</summary>
    public const int Warn = 3;

    /// <summary>`jobs doctor`: jobs do not run, or not all of them.</summary>
    public const int Bad = 4;
}

/// <summary>The command was called in a way that cannot work; the message says which value and what to do.</summary>
internal sealed class UsageException(string message) : Exception(message);
