using System.Runtime.InteropServices;
using Spectre.Console;

namespace Jobs.Cli;

/// <summary>
/// A screen that is drawn again and again: in place on the terminal's second screen, so that it does not flicker and what was on the first one is there afterwards, with the last frame below it. Where there is
/// no terminal, one frame after another.
/// </summary>
internal sealed class Frames(IAnsiConsole screen) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private string? _last;
    private bool _closed;

    public void Show(Action<IAnsiConsole> draw)
    {
        if (Console.IsOutputRedirected || !screen.Profile.Capabilities.Ansi)
        {
            draw(screen);
            return;
        }

        if (_signals.Count == 0)
        {
            _signals.AddRange([PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Close()), PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Close())]); // which end the process then
        }

        var text = Text(draw);
        var lines = text.TrimEnd('\r', '\n').Split('\n');
        var room = Math.Max(1, screen.Profile.Height - 1);
        if (lines.Length > room)
        {
            lines = [.. lines[..(room - 1)], $"... and {lines.Length - room + 1} lines more"];
        }

        lock (_gate)
        {
            if (!_closed)
            {
                Console.Out.Write($"{(_last is null ? "\e[?1049h\e[?25l" : "")}\e[H{string.Join("\e[K\n", lines)}\e[K\n\e[J");
                _last = text;
            }
        }
    }

    public void Dispose()
    {
        Close();
        _signals.ForEach(s => s.Dispose());
    }

    private void Close()
    {
        lock (_gate)
        {
            if (!_closed && _last is not null)
            {
                Console.Out.Write($"\e[?25h\e[?1049l{_last}");
            }

            _closed = true;
        }
    }

    private string Text(Action<IAnsiConsole> draw)
    {
        using var text = new StringWriter();
        var paper = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = (ColorSystemSupport)screen.Profile.Capabilities.ColorSystem,
            Out = new AnsiConsoleOutput(text),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        paper.Profile.Width = screen.Profile.Width;
        draw(paper);
        return text.ToString();
    }
}
