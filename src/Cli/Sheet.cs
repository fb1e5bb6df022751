using Spectre.Console;

namespace Jobs.Cli;

/// <summary>Columns of text without borders. On a narrow terminal the columns that say least are left out first; a line is never broken.</summary>
internal sealed class Sheet
{
    /// <summary>The width of a pipe.</summary>
    public const int Unlimited = 100_000;

    private const int Gap = 2;

    private readonly List<Column> _columns = [];
    private readonly List<Cell[]> _rows = [];

    private sealed record Column(string Title, bool Right, int Weight);

    /// <param name="title">Its heading.</param>
    /// <param name="right">Aligned to the right, for numbers.</param>
    /// <param name="weight">The lightest columns go first; those of <see cref="int.MaxValue"/> stay.</param>
    public Sheet Add(string title, bool right = false, int weight = int.MaxValue)
    {
        _columns.Add(new Column(title, right, weight));
        return this;
    }

    public void Row(params Cell[] cells) => _rows.Add(cells);

    public void WriteTo(IAnsiConsole console)
    {
        var widths = _columns.Select((c, i) => _rows.Select(r => r[i].Text.Length).Append(c.Title.Length).Max()).ToList();
        var shown = Enumerable.Range(0, _columns.Count).ToList();
        while (shown.Sum(i => widths[i] + Gap) - Gap > console.Profile.Width && shown.MinBy(i => _columns[i].Weight) is var least && _columns[least].Weight < int.MaxValue)
        {
            shown.Remove(least);
        }

        WriteLine(console, shown, widths, i => new Cell(_columns[i].Title, Styles.Faint));
        foreach (var row in _rows)
        {
            WriteLine(console, shown, widths, i => row[i]);
        }
    }

    private void WriteLine(IAnsiConsole console, List<int> shown, List<int> widths, Func<int, Cell> cell)
    {
        while (shown.Count > 1 && cell(shown[^1]).Text.Length == 0)
        {
            shown = shown[..^1]; // no blanks at the end of a line
        }

        var line = new Paragraph();
        var left = console.Profile.Width;
        foreach (var i in shown)
        {
            var (text, style) = cell(i);
            var last = i == shown[^1];
            var padded = _columns[i].Right ? text.PadLeft(widths[i]) : last ? text : text.PadRight(widths[i]);
            padded = padded.Length <= left ? padded : padded[..Math.Max(0, left - 1)] + "…";
            line.Append(last ? padded : padded + new string(' ', Gap), style ?? Style.Plain);
            left = Math.Max(0, left - padded.Length - Gap);
        }

        console.Write(line);
        console.WriteLine();
    }
}

/// <summary>One value and how it looks.</summary>
internal readonly record struct Cell(string Text, Style? Style = null)
{
    public static implicit operator Cell(string text) => new(text);

    /// <summary>A number; nothing to see when it is 0.</summary>
    public static Cell Of(long number, Style? style = null) => number == 0 ? new("0", Styles.Faint) : new(number.ToString("N0"), style);
}
