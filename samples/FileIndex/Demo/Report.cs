using Spectre.Console;

namespace FileIndex.Demo;

/// <summary>The figures that `--json` prints, under these names in snake case.</summary>
internal sealed record Figures(
    long Files, long Enqueued, long Succeeded, long Missing, long Mismatched, long Rerun, int Kills, double RescueSeconds, double Seconds, double JobsPerSecond);

/// <summary>How a run went.</summary>
internal sealed class Report
{
    private const int Named = 20;

    private readonly Findings _findings;
    private readonly Death? _death;
    private readonly List<string> _differences;

    private Report(Figures figures, Findings findings, Death? death, List<string> differences) =>
        (Figures, _findings, _death, _differences) = (figures, findings, death, differences);

    public Figures Figures { get; }

    public bool AllIsWell => _differences.Count == 0;

    public static async Task<Report> MakeAsync(Stage stage, Findings findings, long enqueued, bool killExpected, Death? death, CancellationToken ct)
    {
        var rescue = death is null ? null : await Observer.RescueTimeAsync(stage, death, ct);

        // From the first enqueue to the last end, on the database clock: the rescue is in it, the start of the processes is not.
        await using var command = stage.Database.CreateCommand("""
            select coalesce((select count(*) - count(distinct job) from file_run), 0), coalesce(extract(epoch from max(ended_at) - min(enqueued_at)), 0)::float8 from history
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        var (rerun, seconds) = (reader.GetInt64(0), reader.GetDouble(1));
        var figures = new Figures(
            findings.Files, enqueued, findings.Succeeded, findings.Missing.Count, findings.Mismatched.Count, rerun, death is null ? 0 : 1,
            Math.Round(rescue?.TotalSeconds ?? 0, 3), Math.Round(seconds, 3), Math.Round(findings.Succeeded / Math.Max(seconds, 0.001), 1));

        List<string> differences = [.. findings.Missing.Select(f => $"missing: {f}"), .. findings.Mismatched.Select(f => $"mismatched: {f}"), .. findings.Faults];
        if (killExpected && death is null)
        {
            differences.Add("no worker was killed: less than a third of the files could be read");
        }

        if (death is not null && rescue is null)
        {
            differences.Add("not all jobs of the killed worker have ended");
        }

        return new Report(figures, findings, death, differences);
    }

    public void WriteTo(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn(new TableColumn("").RightAligned());
        table.Columns[0].Padding = new Padding(0, 0, 4, 0);
        var f = Figures;
        Row("files", f.Files.ToString("N0"));
        Row("jobs", f.Enqueued.ToString("N0"));
        Row("succeeded", f.Succeeded.ToString("N0"));
        Row("missing", f.Missing.ToString("N0"), bad: f.Missing > 0);
        Row("mismatched", f.Mismatched.ToString("N0"), bad: f.Mismatched > 0);
        Row(_death is null ? "run more than once" : "re-run after the kill", f.Rerun.ToString("N0"));
        Row("kills", f.Kills.ToString("N0"));
        Row("rescue time", _death is null ? "-" : $"{f.RescueSeconds:F1} s");
        Row("seconds", f.Seconds.ToString("F1"));
        Row("jobs/s", f.JobsPerSecond.ToString("N0"));
        console.WriteLine();
        console.Write(table);
        console.WriteLine();
        WriteDifferences(Console.Error);
        if (AllIsWell)
        {
            var compared = f.Files - _findings.Changed.Count(File.Exists);
            console.Write(new Text($"All is well: {(compared == 1 ? "the file agrees" : $"all {compared:N0} files agree")} with what was stored.\n", new Style(Color.Green)));
        }

        void Row(string name, string value, bool bad = false) => table.AddRow(new Text(name, new Style(Color.Grey)), new Text(value, bad ? new Style(Color.Red) : Style.Plain));
    }

    /// <summary>What is not as it should be, and what nothing could be said about.</summary>
    public void WriteDifferences(TextWriter writer)
    {
        Some(_findings.Unreadable, "cannot be read, so not compared");
        Some(_findings.Changed, "changed while the demo ran, so not compared");
        Some(_differences, "DIFFERENCE");

        void Some(List<string> lines, string what)
        {
            foreach (var line in lines.Take(Named))
            {
                writer.WriteLine($"{what}: {string.Concat(line.Select(c => char.IsControl(c) ? '?' : c))}"); // a file's name may hold anything
            }

            if (lines.Count > Named)
            {
                writer.WriteLine($"{what}: and {lines.Count - Named:N0} more");
            }
        }
    }
}
