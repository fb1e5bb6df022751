using FileIndex.Demo;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Bank.Demo;

/// <summary>For a terminal: progress, the money, every process, and what has happened, in place.</summary>
internal sealed class LiveView(IAnsiConsole console) : View
{
    private const string Levels = " ▁▂▃▄▅▆▇█";
    private const int BarWidth = 40;
    private const int SparkWidth = 30;
    private const int EventsShown = 8;
    private static readonly TimeSpan SparkEvery = TimeSpan.FromMilliseconds(500);
    private static readonly Style Faint = new(Color.Grey);

    private readonly Queue<(TimeSpan At, string What, Kind Kind)> _events = [];
    private readonly Queue<double> _rates = [];
    private TimeSpan _nextSpark;
    private LiveDisplayContext? _screen;
    private IRenderable _body = new Text("");

    public override Task WhileAsync(Func<Task> run) => console.Live(new Text("")).Overflow(VerticalOverflow.Crop).StartAsync(screen =>
    {
        _screen = screen;
        return run();
    });

    public override void Say(string what, Kind kind = Kind.Plain)
    {
        _events.Enqueue((Elapsed, what, kind));
        while (_events.Count > EventsShown)
        {
            _events.Dequeue();
        }

        Refresh();
    }

    protected override void Draw(Snapshot now, long transfers, IReadOnlyList<ChildProcess> children)
    {
        if (Elapsed >= _nextSpark)
        {
            _nextSpark = Elapsed + SparkEvery;
            _rates.Enqueue(Rate);
            while (_rates.Count > SparkWidth)
            {
                _rates.Dequeue();
            }
        }

        _body = new Rows(Progress(now, transfers), new Text(""), Numbers(now), new Text(""), MoneyOf(now), new Text(""), Processes(children), new Text(""));
        Refresh();
    }

    private void Refresh()
    {
        var log = Sheet().AddColumn(new TableColumn("").RightAligned()).AddColumn("").HideHeaders();
        foreach (var (at, what, kind) in _events)
        {
            log.AddRow(new Text($"{at.TotalSeconds:F1} s", Faint), new Text(what, kind switch { Kind.Good => new Style(Color.Green), Kind.Bad => new Style(Color.Red), _ => Faint }));
        }

        _screen?.UpdateTarget(new Padder(new Rows(new Text("two banks and a ledger", new Style(decoration: Decoration.Bold)), _body, log), new Padding(1, 1, 1, 0)));
    }

    private Paragraph Progress(Snapshot now, long transfers)
    {
        var done = (int)(Math.Clamp((double)now.Ended / transfers, 0, 1) * BarWidth);
        var top = Math.Max(1, _rates.Count == 0 ? 1 : _rates.Max());
        return new Paragraph()
            .Append(new string('━', done), new Style(Color.Green)).Append(new string('━', BarWidth - done), Faint)
            .Append($"  {now.Ended:N0} of {transfers:N0} transfers  {Rate,4:N0}/s  ")
            .Append(string.Concat(_rates.Select(rate => Levels[(int)Math.Ceiling(rate / top * (Levels.Length - 1))])), new Style(Color.Green));
    }

    private static Table Numbers(Snapshot now)
    {
        var table = Sheet();
        foreach (var title in new[] { "under way", "committed", "aborted", "trips", "kills" })
        {
            table.AddColumn(new TableColumn(new Text(title, Faint)).RightAligned().Width(10));
        }

        return table.AddRow(Number(now.UnderWay, Color.Yellow), Number(now.Committed, Color.Green), Number(now.Aborted, Color.Aqua), Number(now.Trips, Color.Green), Number(now.Kills, Color.Red));
    }

    private static Paragraph MoneyOf(Snapshot now) => now.Money is not { } money ? new Paragraph("")
        : new Paragraph().Append("money ", Faint).Append(Money.Text(money.Total), new Style(money.Total == Sampler.Expected ? Color.Green : Color.Red))
            .Append($"  in {now.Samples:N0} samples; now {money.UnderWay:N0} transfers applied in one bank only, {Money.Text(money.Naive - Sampler.Expected)} too much or too little in both", Faint);

    private static Table Processes(IReadOnlyList<ChildProcess> children)
    {
        var table = Sheet().HideHeaders();
        for (var n = 0; n < 4; n++)
        {
            table.AddColumn("");
        }

        foreach (var row in children.Where(c => c.IsAlive).Select(c => new Text($"{c.Name} ({c.Id})", Faint)).Chunk(4))
        {
            table.AddRow(row);
        }

        return table;
    }

    private static Table Sheet() => new Table().Border(TableBorder.None);

    private static Text Number(long n, Color color) => new(n.ToString("N0"), n == 0 ? Faint : new Style(color));
}
