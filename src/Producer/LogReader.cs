using System.Runtime.CompilerServices;
using System.Text.Json;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Producer;

/// <summary>Reads the logs of jobs in pages by key, and goes on reading while they grow.</summary>
internal sealed class LogReader(OutputStore store, TimeProvider time)
{
    private const int Page = 50;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public async IAsyncEnumerable<JobLogLine> ReadAsync(JobId job, JobLogQuery query, [EnumeratorCancellation] CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(query);
        var after = query.After;
        for (var over = !query.Follow; ;)
        {
            var isLast = over; // asked before the rows were read: what came in between is in them
            List<LogRow> rows;
            do
            {
                rows = await store.ReadLogAsync(job, after, query.Attempt, Page, ct);
                foreach (var line in rows.SelectMany(Lines).Where(l => (l.Attempt, l.Number).CompareTo(after) > 0))
                {
                    after = (line.Attempt, line.Number); // a row may be there twice, and begin before this place
                    if (line.Level >= query.Level)
                    {
                        yield return line;
                    }
                }
            }
            while (rows.Count == Page);

            if (isLast)
            {
                yield break;
            }

            if (!(over = await store.IsOverAsync(job, ct)))
            {
                await Task.Delay(Look, time, ct);
            }
        }
    }

    private static IEnumerable<JobLogLine> Lines(LogRow row)
    {
        var lines = JsonSerializer.Deserialize<List<Stored>>(row.Lines, Json)!;
        return lines.Select((l, i) => new JobLogLine(row.Attempt, row.LastLine - lines.Count + 1 + i, l.At, Enum.Parse<LogLevel>(l.Level), l.Category, l.Text) { Error = l.Error, Scopes = l.Scopes ?? [] });
    }

    /// <summary>A line as the worker writes it.</summary>
    private sealed record Stored(DateTimeOffset At, string Level, string Category, string Text, string? Error, string[]? Scopes);
}
