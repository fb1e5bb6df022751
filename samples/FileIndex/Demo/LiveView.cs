using Jobs;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace FileIndex.Demo;

/// <summary>For a terminal: progress, the queue, every process with what it runs, and what has happened, in place.</summary>
internal sealed class LiveView(IAnsiConsole console, string folder) : View
{
    private const string Levels = " ▁▂▃▄▅▆▇█";
    private const int BarWidth = 40;
    private const int SparkWidth = 30;
    private static readonly TimeSpan SparkEvery = TimeSpan.FromMilliseconds(200);
    private static readonly Style Faint = new(Color.Grey);

    private readonly List<(TimeSpan At, string What, Kind Kind)> _events = [];
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
        _events.Add((Elapsed, what, kind));
        Refresh();
    }

    protected override void Draw(Snapshot now, long files, IReadOnlyList<ChildProcess> children)
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

        _body = new Rows(Progress(now, files), new Text(""), Queue(now), new Text(""), Processes(now, children), new Text(""));
        Refresh();
    }

    private void Refresh()
    {
        var log = Sheet();
        log.AddColumn(new TableColumn("").RightAligned()).AddColumn("").HideHeaders();
        foreach (var (at, what, kind) in _events)
        {
            log.AddRow(new Text($"{at.TotalSeconds:F1} s", Faint), new Text(what, kind switch { Kind.Good => new Style(Color.Green), Kind.Bad => new Style(Color.Red), _ => Faint }));
        }

        _screen?.UpdateTarget(new Padder(new Rows(new Text(folder, new Style(decoration: Decoration.Bold)), _body, log), new Padding(1, 1, 1, 0)));
    }

    private Paragraph Progress(Snapshot now, long files)
    {
        var share = Math.Clamp((double)now.Ended / files, 0, 1);
        var done = (int)(share * BarWidth);
        return new Paragraph()
            .Append(new string('━', done), new Style(Color.Green)).Append(new string('━', BarWidth - done), Faint)
            .Append($"  {now.Ended:N0} of {files:N0} files  {Rate,5:N0} jobs/s  ").Append(Spark(), new Style(Color.Green));
    }

    private string Spark()
    {
        var top = Math.Max(1, _rates.Count == 0 ? 1 : _rates.Max());
        return string.Concat(_rates.Select(rate => Levels[(int)Math.Ceiling(rate / top * (Levels.Length - 1))]));
    }

    private static Table Queue(Snapshot now)
    {
        var table = Sheet();
        foreach (var title in new[] { "waiting", "running", "succeeded", "failed" })
        {
            table.AddColumn(new TableColumn(new Text(title, Faint)).RightAligned().Width(10));
        }

        return table.AddRow(
            Number(now.Waiting, Color.Aqua), Number(now.RunningJobs, Color.Yellow), Number(now.Succeeded, Color.Green), Number(now.Failed, Color.Red));
    }

    private static Table Processes(Snapshot now, IReadOnlyList<ChildProcess> children)
    {
        var table = Sheet();
        foreach (var title in new[] { "process", "", "runs", "", "heartbeat" })
        {
            table.AddColumn(new TableColumn(new Text(title, Faint)));
        }

        table.Columns[1].RightAligned();
        table.Columns[2].RightAligned();
        table.Columns[4].RightAligned();
        foreach (var child in children)
        {
            var session = now.Sessions.FirstOrDefault(s => s.ProcessId == child.Id);
            var running = session is null ? 0 : now.Running.GetValueOrDefault(session.Id);
            var (state, style) = !child.IsAlive ? (session is null ? "killed" : "killed, not yet noticed", new Style(Color.Red))
                : session is null ? ("starting", Faint)
                : session.Leads ? ("leads", new Style(Color.Green))
                : (new string('■', (int)Math.Min(running, 16)), new Style(Color.Yellow));
            table.AddRow(
                new Text(child.Name), new Text(child.Id.ToString(), Faint), running > 0 ? Number(running, Color.Yellow) : new Text(""), new Text(state, style),
                new Text(session is null ? "" : $"{session.HeartbeatAge.TotalSeconds:F1} s ago", Faint));
        }

        return table;
    }

    private static Table Sheet() => new Table().Border(TableBorder.None);

    private static Text Number(long n, Color color) => new(n.ToString("N0"), n == 0 ? Faint : new Style(color));
}
