using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>The statements about schedules: their definitions, and what an operator asks of them.</summary>
internal sealed class ScheduleStore(Database database, JobStore jobs)
{
    /// <returns>Whether anything changed.</returns>
    public async Task<bool> PutAsync(ScheduleRow s, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("put_schedule",
            Param.Of(s.Name), Param.Text(s.Cron), Value(s.EverySeconds, NpgsqlDbType.Bigint), Param.Of(s.Zone), Param.Of(s.Type), Param.Of(s.Queue), Param.Of((short)s.Priority),
            Value(s.Arguments, NpgsqlDbType.Json), Value(s.Ties?.Json(), NpgsqlDbType.Jsonb), Time(s.StartsAt), Time(s.EndsAt), Param.Of(s.Excluded.ToArray()),
            Param.Text(ScheduleWords.Of(s.OnMissing)), Param.Text(ScheduleWords.Of(s.OnRepeated)), Param.Of(s.CatchUp), Param.Of(ScheduleWords.Of(s.Overlap)));
        return await command.ExecuteScalarAsync(ct) is not null;
    }

    /// <returns>False: there is no such schedule, here and below.</returns>
    public Task<bool> RemoveAsync(string name, CancellationToken ct) => FoundAsync(() => database.Command("remove_schedule", Param.Of(name)), ct);

    public Task<bool> PauseAsync(string name, string? by, CancellationToken ct) => FoundAsync(() => database.Command("pause_schedule", Param.Of(name), Param.Text(by)), ct);

    public Task<bool> ResumeAsync(string name, CancellationToken ct) => FoundAsync(() => database.Command("resume_schedule", Param.Of(name)), ct);

    /// <summary>All of them by name, or the one with this name.</summary>
    public async Task<List<ScheduleRow>> ListAsync(string? name, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("list_schedules", Param.Text(name));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = new List<ScheduleRow>();
        while (await reader.ReadAsync(ct))
        {
            rows.Add(Read(reader));
        }

        return rows;
    }

    /// <summary>Enqueues the schedule's job outside its occurrences. Null: there is no such schedule.</summary>
    public async Task<(ScheduleRow Schedule, Enqueued Fate)?> RunNowAsync(string name, JobId id, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (await LockAsync(database, transaction, name, ct) is not { } schedule)
        {
            return null;
        }

        var fate = (await jobs.EnqueueInAsync([schedule.Job(id)], transaction, again: false, ct, pending: false))[id];
        await using (var note = new NpgsqlCommand(database.Sql["record_run_now"], connection, transaction))
        {
            note.Parameters.Add(Param.Of(name));
            note.Parameters.Add(Param.Of(fate.Id.Value));
            note.Parameters.Add(Param.Of(fate.Id == id ? "run now" : "run now; its unique key was taken by this job"));
            await note.ExecuteNonQueryAsync(ct);
        }

        await transaction.CommitAsync(ct);
        return (schedule, fate);
    }

    public async Task<List<OccurrenceInfo>> HistoryAsync(string name, int limit, DateTimeOffset? before, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("list_occurrences", Param.Of(name), Param.Of(limit), Time(before));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var occurrences = new List<OccurrenceInfo>();
        while (await reader.ReadAsync(ct))
        {
            occurrences.Add(new OccurrenceInfo(reader.GetFieldValue<DateTimeOffset>(0), reader.GetFieldValue<DateTimeOffset>(1), reader.GetInt32(2),
                reader.IsDBNull(3) ? null : new JobId(reader.GetGuid(3)), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetFieldValue<DateTimeOffset>(5)));
        }

        return occurrences;
    }

    /// <summary>Another value whenever any schedule was added, changed, paused, resumed or removed; and how many there are.</summary>
    public async Task<(long Count, decimal Version)> VersionAsync(CancellationToken ct)
    {
        await using var command = database.Command("schedules_version");
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetInt64(0), reader.GetDecimal(1));
    }

    /// <summary>Up to <paramref name="limit"/> schedules whose next occurrence should have been recorded <paramref name="late"/> ago, or is not known.</summary>
    public async Task<List<string>> OverdueAsync(TimeSpan late, int limit, CancellationToken ct)
    {
        await using var command = database.Command("overdue_schedules", Param.Of(late.TotalSeconds), Param.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var names = new List<string>();
        while (await reader.ReadAsync(ct))
        {
            names.Add(reader.GetString(0));
        }

        return names;
    }

    /// <returns>How many rows of the ledger were deleted.</returns>
    public async Task<int> ForgetOccurrencesAsync(int days, int limit, CancellationToken ct)
    {
        await using var command = database.Command("forget_occurrences", Param.Of(days), Param.Of(limit));
        return await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The row, held until the end of the transaction; null when it is not there.</summary>
    internal static async Task<ScheduleRow?> LockAsync(Database database, NpgsqlTransaction transaction, string name, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(database.Sql["lock_schedule"], transaction.Connection, transaction);
        command.Parameters.Add(Param.Of(name));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? Read(reader) : null;
    }

    internal static NpgsqlParameter Time(DateTimeOffset? time) => Value(time?.ToUniversalTime(), NpgsqlDbType.TimestampTz);

    private async Task<bool> FoundAsync(Func<NpgsqlCommand> make, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = make();
        return await command.ExecuteScalarAsync(ct) is not null;
    }

    private static NpgsqlParameter Value(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    private static ScheduleRow Read(NpgsqlDataReader r) => new()
    {
        Name = r.GetString(0),
        Cron = Text(r, 1),
        EverySeconds = r.IsDBNull(2) ? null : r.GetInt64(2),
        Zone = r.GetString(3),
        Type = r.GetString(4),
        Queue = r.GetString(5),
        Priority = (byte)r.GetInt16(6),
        Arguments = r.GetFieldValue<byte[]>(7),
        Ties = ScheduleTies.Parse(Text(r, 8)),
        StartsAt = Time(r, 9),
        EndsAt = Time(r, 10),
        Excluded = r.GetFieldValue<string[]>(11),
        OnMissing = ScheduleWords.Missing(Text(r, 12)),
        OnRepeated = ScheduleWords.Repeated(Text(r, 13)),
        CatchUp = r.GetInt32(14),
        Overlap = ScheduleWords.Overlap(r.GetString(15)),
        CreatedAt = r.GetFieldValue<DateTimeOffset>(16),
        ChangedAt = r.GetFieldValue<DateTimeOffset>(17),
        PausedAt = Time(r, 18),
        PausedBy = Text(r, 19),
        ResumedAt = Time(r, 20),
        RecordedTo = r.GetFieldValue<DateTimeOffset>(21),
        NextAt = Time(r, 22),
        LastJob = r.IsDBNull(23) ? null : r.GetGuid(23),
        Now = r.GetFieldValue<DateTimeOffset>(24),
    };

    private static string? Text(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetString(column);

    private static DateTimeOffset? Time(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetFieldValue<DateTimeOffset>(column);
}
