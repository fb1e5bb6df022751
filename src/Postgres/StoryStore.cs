using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements that tell what happened to a job, and what keeps it where it is.</summary>
internal sealed class StoryStore(Database database)
{
    /// <summary>Who these sessions are, or were: "HOST/PROGRAM, process ID".</summary>
    public async Task<Dictionary<Guid, string>> FindSessionsAsync(IEnumerable<Guid> ids, CancellationToken ct)
    {
        await using var command = database.Command("find_sessions", Param.Of(ids.ToArray()));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var found = new Dictionary<Guid, string>();
        while (await reader.ReadAsync(ct))
        {
            found[reader.GetGuid(0)] = Process(reader.GetString(1), reader.GetInt32(2));
        }

        return found;
    }

    /// <summary>Where these jobs are in their lives, and when those that have ended did.</summary>
    public async Task<Dictionary<JobId, (JobState State, DateTimeOffset? EndedAt)>> FindStatesAsync(IReadOnlyCollection<JobId> ids, CancellationToken ct)
    {
        var found = new Dictionary<JobId, (JobState, DateTimeOffset?)>();
        if (ids.Count == 0)
        {
            return found;
        }

        await using var command = database.Command("find_states", Param.Of(ids.Select(i => i.Value).ToArray()), Param.Of(QueryStore.LookBack(ids.Min(i => i.CreatedAt))));
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            found[new JobId(reader.GetGuid(0))] = (Words.State(reader.GetString(1)), Time(reader, 2));
        }

        return found;
    }

    /// <summary>The time of the database, and every process with what it has to do with a queue and a type.</summary>
    public async Task<(DateTimeOffset Now, List<Presence> Processes)> SceneAsync(string queue, string type, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("explain_sessions", Param.Of(queue), Param.Of(type));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var (now, processes) = (default(DateTimeOffset), new List<Presence>());
        while (await reader.ReadAsync(ct))
        {
            now = reader.GetFieldValue<DateTimeOffset>(0);
            if (!reader.IsDBNull(1))
            {
                processes.Add(new Presence(reader.GetGuid(1), Process(reader.GetString(2), reader.GetInt32(3)), reader.GetBoolean(4),
                    reader.IsDBNull(5) ? null : reader.GetInt32(5), reader.GetBoolean(6), TimeSpan.FromSeconds(reader.GetDouble(7)), reader.GetBoolean(8), reader.GetBoolean(9)));
            }
        }

        return (now, processes);
    }

    /// <summary>The process that served a queue last, of those that are no more; with a type, the last one that had a handler for it as well.</summary>
    public async Task<(string Process, DateTimeOffset EndedAt, bool Lost)?> LastServedByAsync(string queue, string? type, CancellationToken ct)
    {
        await using var command = database.Command("explain_past_session", Param.Of(queue), Param.Text(type));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? (Process(reader.GetString(0), reader.GetInt32(1)), reader.GetFieldValue<DateTimeOffset>(2), reader.GetString(3) == "lost") : null;
    }

    /// <summary>What holds a queue up and what its markers say; null: nothing is known about it.</summary>
    public async Task<QueueState?> QueueAsync(string queue, CancellationToken ct)
    {
        await using var command = database.Command("explain_queue", Param.Of(queue));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? new QueueState(Time(reader, 0), Text(reader, 1), Text(reader, 2), Time(reader, 3), Time(reader, 4), Time(reader, 5), Time(reader, 6)) : null;
    }

    /// <summary>What is before a queued job in its queue, and what runs there; null: it is not queued any more.</summary>
    public async Task<Line?> LineAsync(string queue, JobId id, int limit, CancellationToken ct)
    {
        await using var command = database.Command("explain_line", Param.Of(queue), Param.Of(id.Value), Param.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? new Line(reader.GetFieldValue<DateTimeOffset>(0), reader.GetInt64(1) >= limit, reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4),
                reader.IsDBNull(5) ? null : new JobId(reader.GetGuid(5)), Time(reader, 6)) : null;
    }

    /// <summary>How many jobs of a queue ended in the last stretch of that length that has been summed.</summary>
    public async Task<long> EndedLatelyAsync(string queue, TimeSpan time, CancellationToken ct)
    {
        await using var command = database.Command("explain_pace", Param.Of(queue), Param.Of(time.TotalSeconds));
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>For whom a blocked job waits: those that hold it first.</summary>
    public async Task<List<Awaited>> AwaitedAsync(JobInfo job, int limit, CancellationToken ct)
    {
        var created = job.After.Count > 0 ? job.After.Min(a => a.CreatedAt) : job.Id.CreatedAt;
        await using var command = database.Command("explain_edges", Param.Of(job.Id.Value), Param.Of(QueryStore.LookBack(created)), Param.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var awaited = new List<Awaited>();
        while (await reader.ReadAsync(ct))
        {
            awaited.Add(new Awaited(new JobId(reader.GetGuid(0)), reader.GetString(1), Time(reader, 2), reader.IsDBNull(3) ? null : Words.State(reader.GetString(3)), Time(reader, 4), Text(reader, 5)));
        }

        return awaited;
    }

    private static string Process(string host, int process) => $"{host}, process {process}";

    private static string? Text(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetString(column);

    private static DateTimeOffset? Time(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetFieldValue<DateTimeOffset>(column);
}

/// <summary>A process that takes part: its slots for the queue in question (null: it does not serve it), whether it has a handler for the type in question, and whether it takes no more jobs and leaves.</summary>
internal sealed record Presence(Guid Id, string Process, bool Schedules, int? Slots, bool Handles, TimeSpan HeartbeatAge, bool Drains, bool Leads);

/// <summary>A queue: since when, by whom, why and until when it is paused; when its newest marker was sent, and which came back when.</summary>
internal sealed record QueueState(
    DateTimeOffset? PausedAt, string? PausedBy, string? PauseReason, DateTimeOffset? PausedUntil, DateTimeOffset? MarkerAt, DateTimeOffset? SweptTo, DateTimeOffset? SweptAt);

/// <summary>What is before a queued job: all that is, those of a higher priority; what runs in its queue, and which runs longest. Cut: there may be more of each.</summary>
internal sealed record Line(DateTimeOffset TicketAt, bool Cut, long Ahead, long Above, long Running, JobId? Longest, DateTimeOffset? LongestSince);

/// <summary>A job that another one waits for. A state of null: it is in no table any more.</summary>
internal sealed record Awaited(JobId Id, string Effect, DateTimeOffset? HeldAt, JobState? State, DateTimeOffset? EndedAt, string? Type);
