using Spectre.Console;

namespace Jobs.Bench;

/// <summary>Other systems, measured once and by hand; the figures do not move with this run.</summary>
internal static class Peers
{
    /// <summary>Jobs a second; milliseconds from call to handler start. Null: not measured, or not possible.</summary>
    private static readonly (string Name, int? Bulk, int? Drain, int? Both, string Latency, string Kept)[] Measured =
    [
        ("Hangfire 1.8 + PostgreSql", null, 220, null, "19 / 79", "job and state rows"),
        ("Quartz 4.7 on Postgres", 820, 560, null, "469 / 906", "until fired"),
        ("Wolverine 6.62, inbox and outbox", null, 7_710, null, "10 / 25", "inbox row"),
        ("MassTransit 8.5 consumer, quorum", 16_500, 18_700, 7_920, "1.7 / 5.7", "none"),
        ("pg-boss 12", 46_900, 22_300, 16_400, "4.0 / 7.8", "row"),
        ("graphile-worker 0.17", 49_800, 29_100, 24_100, "2.9 / 5.4", "deleted when done"),
        ("BullMQ 6.7 on Redis", 25_700, 21_900, 12_300, "1.1 / 4.1", "hash; may lose the last second"),
        ("Sidekiq 6.4 on Redis", 106_000, 16_300, null, "0.6 / 1.2", "none"),
        ("Celery 5.2, quorum", 1_460, 4_870, null, "2.0 / 3.7", "none"),
        ("Celery 5.2 + Postgres results", 1_390, 539, null, "2.3 / 3.4", "result row"),
    ];

    public static void Write()
    {
        var table = new Table().Border(TableBorder.Rounded).Title("Other systems, measured earlier on such a machine (2 cores); see docs/PERFORMANCE.md");
        table.AddColumn("");
        foreach (var column in new[] { "bulk enqueue/s", "drain/s, best", "both at once/s", "p50 / p99 ms" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        table.AddColumn("state kept");
        foreach (var peer in Measured)
        {
            table.AddRow(peer.Name, Text(peer.Bulk), Text(peer.Drain), Text(peer.Both), peer.Latency, peer.Kept);
        }

        AnsiConsole.Write(table);
    }

    private static string Text(int? value) => value is { } number ? $"{number:N0}" : "-";
}
