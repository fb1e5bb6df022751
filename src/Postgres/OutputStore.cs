using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>The statements about what attempts leave while they run: their progress and their log.</summary>
internal sealed class OutputStore(Database database)
{
    /// <summary>How long after a job's end its worker may still be writing down what its handler logged.</summary>
    private const double LateSeconds = 1;

    /// <summary>The latest word of each attempt; one of a lower attempt than the one that is there is dropped.</summary>
    public async Task PutProgressAsync(IReadOnlyList<ProgressRow> rows, CancellationToken ct)
    {
        await using var command = database.Command("put_progress",
            Param.Of(rows.Select(r => r.Job).ToArray()), Param.Of(rows.Select(r => r.Attempt).ToArray()), Param.Of(rows.Select(r => r.Done).ToArray()),
            new NpgsqlParameter { Value = rows.Select(r => r.Total).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint },
            new NpgsqlParameter { Value = rows.Select(r => r.Note).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Clears away up to <paramref name="limit"/> words of progress that are a week old. Returns how many there were.</summary>
    public async Task<int> ClearProgressAsync(int limit, DateTimeOffset now, CancellationToken ct)
    {
        await using var command = database.Command("clear_progress", Param.Of(limit), Param.Of(JobId.Least(now.AddDays(-6)).Value)); // a day is allowed for clocks that disagree
        return await command.ExecuteNonQueryAsync(ct);
    }

    public async Task AppendLogAsync(IReadOnlyList<LogRow> rows, CancellationToken ct)
    {
        await using var command = database.Command("append_log",
            Param.Of(rows.Select(r => r.Job).ToArray()), Param.Of(rows.Select(r => r.Attempt).ToArray()), Param.Of(rows.Select(r => r.LastLine).ToArray()),
            Param.Json([.. rows.Select(r => r.Lines)]));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The next rows after a line, in order.</summary>
    /// <param name="job">Whose.</param>
    /// <param name="after">The attempt and the line after which to read.</param>
    /// <param name="attempt">Null: of all attempts.</param>
    /// <param name="limit">So many rows, each of many lines.</param>
    /// <param name="ct">Stops it.</param>
    public async Task<List<LogRow>> ReadLogAsync(JobId job, (int Attempt, int Line) after, int? attempt, int limit, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("read_log", Param.Of(job.Value), Param.Of(after.Attempt), Param.Of(after.Line),
            new NpgsqlParameter { Value = (object?)attempt ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer }, Param.Of(QueryStore.LookBack(job.CreatedAt)), Param.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = new List<LogRow>();
        while (await reader.ReadAsync(ct))
        {
            rows.Add(new LogRow(job.Value, reader.GetInt32(0), reader.GetInt32(1), reader.GetFieldValue<byte[]>(2)));
        }

        return rows;
    }

    /// <summary>Whether the job has ended, long enough ago that its log is complete; or never was.</summary>
    public async Task<bool> IsOverAsync(JobId job, CancellationToken ct)
    {
        await using var command = database.Command("is_over", Param.Of(job.Value), Param.Of(QueryStore.LookBack(job.CreatedAt)), Param.Of(LateSeconds));
        return (bool)(await command.ExecuteScalarAsync(ct))!;
    }
}

/// <summary>How far an attempt says it is.</summary>
internal readonly record struct ProgressRow(Guid Job, int Attempt, long Done, long? Total, string? Note);

/// <summary>Some lines of an attempt, a JSON array; the number of the last of them, counted from 1.</summary>
internal readonly record struct LogRow(Guid Job, int Attempt, int LastLine, byte[] Lines);
