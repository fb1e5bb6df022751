using System.Diagnostics;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>What is going on, on stderr, a line a step: stdout is the result's.</summary>
internal sealed class StepLog
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly IAnsiConsole _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    public StepLog()
    {
        if (Console.IsErrorRedirected)
        {
            _console.Profile.Width = 160; // a file has no width
        }
    }

    public void Say(string text) => _console.MarkupLine($"[grey]{Stopwatch.GetElapsedTime(_started).TotalSeconds,5:F0} s[/]  {Markup.Escape(text)}");

    /// <summary>Says what begins and, if it takes longer than two seconds, that it goes on.</summary>
    public async Task<T> WhileAsync<T>(string text, Task<T> work)
    {
        Say(text);
        for (var n = 1; await Task.WhenAny(work, Task.Delay(TimeSpan.FromSeconds(10))) != work; n++)
        {
            Say($"  ... {text}, {10 * n} s");
        }

        return await work;
    }

    public Task WhileAsync(string text, Task work) => WhileAsync(text, Done(work));

    private static async Task<bool> Done(Task work)
    {
        await work;
        return true;
    }
}
