namespace Jobs.Cli;

/// <summary>Says on stderr how far a long command is: from two seconds on, on a terminal in place, else a line every ten.</summary>
internal sealed class Ticker(string what, TimeProvider time) : IProgress<long>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly long _began = time.GetTimestamp();
    private readonly TimeSpan _every = Console.IsErrorRedirected ? TimeSpan.FromSeconds(10) : TimeSpan.FromMilliseconds(200);
    private long _said;
    private bool _open;

    public void Report(long value)
    {
        var elapsed = time.GetElapsedTime(_began);
        if (elapsed < Patience || (_said != 0 && time.GetElapsedTime(_said) < _every))
        {
            return;
        }

        _said = time.GetTimestamp();
        var line = $"{value:N0} {what}, {value / elapsed.TotalSeconds:N0}/s";
        if (Console.IsErrorRedirected)
        {
            Output.Remark(line);
        }
        else
        {
            Console.Error.Write($"\r{line}\u001b[K");
            _open = true;
        }
    }

    /// <summary>Takes its line away.</summary>
    public void End()
    {
        if (_open)
        {
            Console.Error.Write("\r\u001b[K");
        }
    }
}
