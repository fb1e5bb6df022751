using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>The statements of operators: each changes the next page of jobs that match a filter, and says of every job of the page what it did.</summary>
internal sealed class ControlStore(Database database)
{
    /// <summary>Jobs a statement: what bounds how long rows are locked.</summary>
    public const int Page = 1000;

    /// <summary>Above every id of a job; pages go downwards from here.</summary>
    public static readonly Guid Top = Guid.AllBitsSet;

    public Task<ChangedPage> CancelAsync(JobFilter filter, Guid below, Doer doer, CancellationToken ct) => RunAsync("cancel_if_live", filter, below, ct,
        Param.Text(doer.By), Param.Text(doer.Reason), Param.Text($"It was cancelled by {doer.By} before it was started{(doer.Reason is { } reason ? $": {reason}" : ".")}"));

    public Task<ChangedPage> SetPriorityAsync(JobFilter filter, Guid below, byte priority, Doer doer, CancellationToken ct) => RunAsync("prioritise_if_waiting", filter, below, ct,
        Param.Of((short)priority), Param.Text(doer.By), Param.Text(doer.Reason));

    public Task<ChangedPage> MoveAsync(JobFilter filter, Guid below, JobMove move, Doer doer, CancellationToken ct) => RunAsync("move_if_waiting", filter, below, ct,
        Param.Text(move.Queue?.Value), Number(move.Delay?.TotalSeconds), Time(move.RunAt), Param.Text(doer.By), Param.Text(doer.Reason));

    public Task<ChangedPage> DeleteWaitingAsync(JobFilter filter, Guid below, CancellationToken ct) => RunAsync("delete_if_unneeded", filter, below, ct);

    public Task<ChangedPage> DeleteEndedAsync(JobFilter filter, Guid below, CancellationToken ct) => RunAsync("delete_if_ended", filter, below, ct);

    public Task<ChangedPage> RetryScheduledAsync(JobFilter filter, Guid below, Doer doer, CancellationToken ct) => RunAsync("retry_if_scheduled", filter, below, ct,
        Param.Text(doer.By), Param.Text(doer.Reason));

    /// <param name="filter">Of ended jobs.</param>
    /// <param name="above">Pages go upwards here: the oldest first.</param>
    /// <param name="before">Only what ended before this; null: now.</param>
    /// <param name="redrive">Of this redrive, unless it has been undone.</param>
    /// <param name="rate">Due at that many a second from <paramref name="before"/> on.</param>
    /// <param name="given">How many it has made so far.</param>
    /// <param name="doer">Who and why.</param>
    /// <param name="ct">Stops it; nothing is changed then.</param>
    public Task<ChangedPage> RetryEndedAsync(JobFilter filter, Guid above, DateTimeOffset? before, JobId? redrive, double? rate, long given, Doer doer, CancellationToken ct) =>
        RunAsync("retry_if_ended", filter, above, ct, Param.Text(doer.By), Param.Text(doer.Reason), Time(before), Param.Uuid(redrive?.Value), Time(before), Number(rate), Param.Of(given));

    /// <summary>The database's clock.</summary>
    public async Task<DateTimeOffset> NowAsync(CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        return await Transient.RetryAsync(async c =>
        {
            await using var command = database.Command("read_clock");
            await using var reader = await command.ExecuteReaderAsync(c);
            await reader.ReadAsync(c);
            return reader.GetFieldValue<DateTimeOffset>(0);
        }, "read the clock", database.Log, ct, Transient.Few);
    }

    /// <summary>New lives of a redrive that have not been started.</summary>
    public Task<ChangedPage> UndoAsync(JobId redrive, Guid below, Doer doer, CancellationToken ct) => RunAsync("undo_if_not_started", new JobFilter(), below, ct,
        Param.Of(Tag(redrive)), Param.Text(doer.By), Param.Text(doer.Reason), Param.Text($"Its redrive was undone by {doer.By} before it was started{(doer.Reason is { } reason ? $": {reason}" : ".")}"));

    /// <returns>When it began, by the database clock.</returns>
    public async Task<DateTimeOffset> BeginRedriveAsync(JobId id, double? rate, Doer doer, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("begin_redrive", Param.Of(id.Value), Param.Text(doer.By), Param.Text(doer.Reason), Number(rate));
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return reader.GetFieldValue<DateTimeOffset>(0);
    }

    /// <returns>False: there is no such redrive.</returns>
    public async Task<bool> StopRedriveAsync(JobId id, Doer doer, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("undo_redrive", Param.Of(id.Value), Param.Text(doer.By));
        return await command.ExecuteScalarAsync(ct) is not null;
    }

    /// <summary>Of a redrive's new lives that were started: how many are live, how many have ended.</summary>
    public async Task<(long Live, long Ended)> CountRedrivenAsync(JobId redrive, CancellationToken ct)
    {
        await using var command = database.Command("count_redriven", Param.Of(Tag(redrive)));
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <summary>What these jobs are just now; those that are not there are missing in the answer.</summary>
    public async Task<Dictionary<JobId, Glance>> LookAsync(IReadOnlyCollection<Guid> ids, JobFilter live, JobFilter ended, CancellationToken ct)
    {
        var found = new Dictionary<JobId, Glance>();
        if (ids.Count == 0)
        {
            return found;
        }

        await database.ReadyAsync(ct);
        await using var command = Filtered("look_at_jobs", live, ended, Param.Of(ids.ToArray()), Param.Of(QueryStore.LookBack(ids.Min(i => new JobId(i).CreatedAt))));
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            found[new JobId(reader.GetGuid(0))] = new Glance(Words.State(reader.GetString(1)))
            {
                Since = reader.IsDBNull(2) ? null : reader.GetFieldValue<DateTimeOffset>(2),
                Needed = reader.GetBoolean(3),
                RetriedAs = reader.IsDBNull(4) ? null : new JobId(reader.GetGuid(4)),
                Waits = reader.GetInt32(5),
                Matches = !reader.IsDBNull(6) && reader.GetBoolean(6),
            };
        }

        return found;
    }

    /// <summary>How many match, by what they are; null: not looked for there.</summary>
    public async Task<List<(Glance Glance, long Count)>> CountAsync(JobFilter? live, JobFilter? ended, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = Filtered("count_matches", live ?? new JobFilter(), ended ?? new JobFilter(), Param.Of(live is not null), Param.Of(ended is not null));
        command.CommandTimeout = 0; // of a long history it takes what it takes
        await using var reader = await command.ExecuteReaderAsync(ct);
        var counts = new List<(Glance, long)>();
        while (await reader.ReadAsync(ct))
        {
            counts.Add((new Glance(Words.State(reader.GetString(0))) { Needed = reader.GetBoolean(1), RetriedAs = reader.GetBoolean(2) ? default(JobId) : null, Matches = true }, reader.GetInt64(3)));
        }

        return counts;
    }

    private static string Tag(JobId redrive) => $"redrive:{redrive}";

    private async Task<ChangedPage> RunAsync(string statement, JobFilter filter, Guid cursor, CancellationToken ct, params NpgsqlParameter[] parameters)
    {
        await database.ReadyAsync(ct);
        return await Transient.RetryAsync(async c =>
        {
            await using var command = Filtered(statement, filter, filter, [Param.Of(cursor), Param.Of(Page), .. parameters.Select(p => p.Clone())]);
            command.CommandTimeout = 300; // a filter that no index serves reads far for a page
            return await ReadAsync(command, c);
        }, statement, database.Log, ct, Transient.Few);
    }

    private static async Task<ChangedPage> ReadAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await using var reader = await command.ExecuteReaderAsync(ct);
        var page = new ChangedPage();
        while (await reader.ReadAsync(ct))
        {
            var id = new JobId(reader.GetGuid(0));
            JobId? life = reader.IsDBNull(6) ? null : new JobId(reader.GetGuid(6));
            page.Jobs.Add(new Changed(id, reader.GetString(1) switch
            {
                "done" => Change.Done,
                "requested" => Change.Requested,
                "unchanged" => Change.Unchanged,
                _ => Change.Left,
            }, life));
            if (reader.GetInt32(2) is > 0 and var dispatch)
            {
                page.Tickets.Add(new Ticket(life ?? id, dispatch, reader.GetString(3), (byte)reader.GetInt16(4), reader.GetString(5)));
            }

            if (reader.GetBoolean(7))
            {
                page.Followed.Add(id.Value);
            }

            if (!reader.IsDBNull(8))
            {
                page.Batches.Add(reader.GetGuid(8));
            }

            if (reader.FieldCount > 9)
            {
                page.LastDue = !reader.IsDBNull(10) && reader.GetFieldValue<DateTimeOffset>(10) is var due && (page.LastDue is null || due > page.LastDue) ? due : page.LastDue;
            }
        }

        return page;
    }

    /// <summary>The statement with these parameters and the conditions of the filters, each where it has a place for them.</summary>
    private NpgsqlCommand Filtered(string statement, JobFilter live, JobFilter ended, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var sql = database.Sql[statement];
        var conditions = new List<NpgsqlParameter>();
        foreach (var (place, filter, isEnded) in new[] { ("{live}", live, false), ("{ended}", ended, true) })
        {
            if (sql.Contains(place, StringComparison.Ordinal))
            {
                var condition = new FilterSql(filter, database.Schema, parameters.Length + conditions.Count + 1, isEnded);
                sql = sql.Replace(place, condition.Text, StringComparison.Ordinal);
                conditions.AddRange(condition.Parameters);
            }
        }

        var command = database.Source.CreateCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        conditions.ForEach(c => command.Parameters.Add(c));
        return command;
    }

    private static NpgsqlParameter Number(double? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Double };

    private static NpgsqlParameter Time(DateTimeOffset? value) => new() { Value = (object?)value?.ToUniversalTime() ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz };
}

/// <summary>Who does something, and why.</summary>
internal readonly record struct Doer(string By, string? Reason);

/// <summary>What a statement did with a job that it looked at. Left: not what the statement changes, or no longer; the caller looks why.</summary>
internal enum Change
{
    Done,
    Requested,
    Unchanged,
    Left,
}

[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct Changed(JobId Id, Change Change, JobId? Life);

/// <summary>What a statement did: all jobs it looked at, the tickets it owes, and who has to be told of ends.</summary>
internal sealed class ChangedPage
{
    public List<Changed> Jobs { get; } = [];
    public List<Ticket> Tickets { get; } = [];
    public List<Guid> Followed { get; } = [];
    public HashSet<Guid> Batches { get; } = [];
    public DateTimeOffset? LastDue { get; set; }
}

/// <summary>A job at one moment, as far as an operator's action depends on it.</summary>
internal sealed record Glance(JobState State)
{
    /// <summary>Running since, ended at, or due at.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Others wait for it, or its batch is not complete.</summary>
    public bool Needed { get; init; }
    public JobId? RetriedAs { get; init; }
    public int Waits { get; init; }

    /// <summary>It is what the filter asks for.</summary>
    public bool Matches { get; init; }

    public bool IsEnded => State > JobState.Running;
}
