namespace FileIndex.Demo;

/// <summary>Ends the demo with one line that says what is wrong and what to do.</summary>
internal sealed class DemoException(string message, int exitCode = DemoException.Failed) : Exception(message)
{
    public const int Failed = 1;
    public const int Usage = 2;

    public int ExitCode { get; } = exitCode;
}
