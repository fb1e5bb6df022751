using Spectre.Console;

namespace Bank.Demo;

/// <summary>The figures that `--json` prints, under these names in snake case. Money in whole units with cents.</summary>
internal sealed record Figures
{
    public required int Transfers { get; init; }
    public required int Committed { get; init; }
    public required int Aborted { get; init; }
    public required int Kills { get; init; }
    public required decimal TotalBefore { get; init; }
    public required decimal TotalAfter { get; init; }
    public required int NegativeAccounts { get; init; }
    public required int Mixed { get; init; }
    public required int InDoubt { get; init; }
    public required double Seconds { get; init; }
    public required double TransfersPerSecond { get; init; }
    public required double P50Ms { get; init; }
    public required double P99Ms { get; init; }
    public required int Samples { get; init; }
    /// <summary>Samples in which the sum was another than at the beginning.</summary>
    public required int SamplesWrong { get; init; }
    /// <summary>Samples that fell between the two commits of a transfer.</summary>
    public required int SamplesUneven { get; init; }
    public required int Trips { get; init; }
    public required int TripsFailed { get; init; }
    public required int BookingsUndone { get; init; }
    public required IReadOnlyDictionary<string, int> AbortReasons { get; init; }
    public required IReadOnlyDictionary<string, int> TripReasons { get; init; }
    public required int Faults { get; init; }
    /// <summary>With `--tamper`: how many faults each falsification has shown.</summary>
    public IReadOnlyDictionary<string, int>? Tampered { get; init; }
}

/// <summary>How a run went.</summary>
internal sealed class Report(Figures figures, IReadOnlyList<string> faults)
{
    private const int Named = 20;

    public Figures Figures => figures;

    public bool AllIsWell => faults.Count == 0;

    public void WriteTo(IAnsiConsole console)
    {
        var f = figures;
        var table = new Table().Border(TableBorder.None).HideHeaders().AddColumn("").AddColumn(new TableColumn("").RightAligned()).AddColumn("");
        table.Columns[0].Padding = table.Columns[1].Padding = new Padding(0, 0, 4, 0);
        Row("transfers", f.Transfers.ToString("N0"), $"in {f.Seconds:N1} s: {f.TransfersPerSecond:N0} a second");
        Row("  committed", f.Committed.ToString("N0"), $"p50 {f.P50Ms:N0} ms, p99 {f.P99Ms:N0} ms, kills included");
        Row("  aborted", f.Aborted.ToString("N0"), Reasons(f.AbortReasons));
        Row("trips", f.Trips.ToString("N0"));
        Row("  failed", f.TripsFailed.ToString("N0"), Reasons(f.TripReasons));
        Row("  bookings undone", f.BookingsUndone.ToString("N0"));
        Row("kills", f.Kills.ToString("N0"), "SIGKILL; each was replaced at once");
        table.AddEmptyRow();
        Row("money before", f.TotalBefore.ToString("N2"));
        Row("money after", f.TotalAfter.ToString("N2"), bad: f.TotalAfter != f.TotalBefore);
        Row("  sampled", f.Samples.ToString("N0"), $"times while it moved, {f.SamplesUneven:N0} of them between a transfer's two commits");
        Row("  of which wrong", f.SamplesWrong.ToString("N0"), bad: f.SamplesWrong > 0);
        Row("accounts below zero", f.NegativeAccounts.ToString("N0"), bad: f.NegativeAccounts > 0);
        Row("mixed outcomes", f.Mixed.ToString("N0"), "decision, bank a, bank b and ledger, transfer by transfer", f.Mixed > 0);
        Row("in doubt", f.InDoubt.ToString("N0"), bad: f.InDoubt > 0);
        console.WriteLine();
        console.Write(table);
        if (f.Tampered is { } tampered)
        {
            console.WriteLine();
            foreach (var (name, count) in tampered)
            {
                console.WriteLine($"tampered: {name}: {(count == 1 ? "1 fault" : $"{count:N0} faults")} found");
            }
        }

        console.WriteLine();
        WriteFaults(Console.Error);
        if (AllIsWell)
        {
            console.Write(new Text("All is well: everybody's books agree, to the cent.\n", new Style(Color.Green)));
        }

        void Row(string name, string value, string note = "", bool bad = false) =>
            table.AddRow(new Text(name, new Style(Color.Grey)), new Text(value, bad ? new Style(Color.Red) : Style.Plain), new Text(note, new Style(Color.Grey)));
    }

    public void WriteFaults(TextWriter writer)
    {
        foreach (var fault in faults.Take(Named))
        {
            writer.WriteLine($"FAULT: {fault}");
        }

        if (faults.Count > Named)
        {
            writer.WriteLine($"FAULT: and {faults.Count - Named:N0} more");
        }
    }

    private static string Reasons(IReadOnlyDictionary<string, int> reasons) => string.Join(", ", reasons.OrderByDescending(r => r.Value).Select(r => $"{r.Key} {r.Value:N0}"));
}
