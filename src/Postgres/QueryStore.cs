using System.Collections.Frozen;
using System.Text.Json;
using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements that only look.</summary>
internal sealed class QueryStore(Database database, ThroughputStore throughput)
{
    private static readonly JsonSerializerOptions ErrorJson = new(JsonSerializerDefaults.Web);

    /// <summary>From when on an ended job may be found: a day before its id was made, because the client's clock may be ahead of the database's.</summary>
    public static DateTimeOffset LookBack(DateTimeOffset created) =>
        created <= DateTimeOffset.UnixEpoch.AddDays(1) ? DateTimeOffset.UnixEpoch : created.AddDays(-1).ToUniversalTime();

    public async Task<JobInfo?> GetAsync(JobId id, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("get_job", Param.Of(id.Value), Param.Of(LookBack(id.CreatedAt)));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? Read(reader) : null;
    }

    public async Task<IReadOnlyList<QueueInfo>> QueuesAsync(CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        var live = new SortedDictionary<string, Dictionary<JobState, long>>(StringComparer.Ordinal);
        await using (var command = database.Command("count_queues"))
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                var name = reader.GetString(0);
                live.TryAdd(name, []);
                if (!reader.IsDBNull(1))
                {
                    live[name][Words.State(reader.GetString(1))] = reader.GetInt64(2);
                }
            }
        }

        var rates = await throughput.RatesAsync(ct);
        foreach (var name in rates.Keys)
        {
            live.TryAdd(name, []);
        }

        return [.. live.Select(q => new QueueInfo(q.Key, q.Value, rates.GetValueOrDefault(q.Key) ?? QueueRates.None))];
    }

    public async Task<IReadOnlyList<SessionInfo>> SessionsAsync(CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("list_sessions");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var sessions = new List<SessionInfo>();
        while (await reader.ReadAsync(ct))
        {
            var slots = reader.IsDBNull(11) ? null : SlotReport.Read(reader.GetString(11));
            sessions.Add(new SessionInfo(reader.GetGuid(0), reader.GetString(1), reader.GetInt32(2), reader.GetFieldValue<string[]>(3),
                JsonSerializer.Deserialize<Dictionary<string, int>>(reader.GetString(4))!, reader.GetInt32(5), reader.GetInt32(6), reader.GetFieldValue<DateTimeOffset>(7),
                TimeSpan.FromSeconds(reader.GetDouble(8)), reader.GetBoolean(9))
            {
                Draining = reader.IsDBNull(10) ? null : JsonSerializer.Deserialize<Requested>(reader.GetString(10), ErrorJson),
                Slots = slots?.Queues ?? [],
                Pools = slots?.Pools ?? [],
            });
        }

        return sessions;
    }

    public static JobInfo Read(NpgsqlDataReader r) => new()
    {
        Id = new JobId(r.GetGuid(0)),
        Type = r.GetString(1),
        Queue = r.GetString(2),
        Priority = r.GetInt16(3),
        State = Words.State(r.GetString(4)),
        Attempt = r.GetInt32(5),
        Failures = r.GetInt16(6),
        Crashes = r.GetInt16(7),
        Session = r.IsDBNull(8) ? null : r.GetGuid(8),
        EnqueuedAt = r.GetFieldValue<DateTimeOffset>(9),
        DueAt = Time(r, 10),
        StartedAt = Time(r, 11),
        EndedAt = Time(r, 12),
        Arguments = r.GetString(13),
        Result = r.IsDBNull(14) ? null : r.GetString(14),
        Errors = r.IsDBNull(15) ? [] : JsonSerializer.Deserialize<List<JobError>>(r.GetString(15), ErrorJson)!,
        ExpiresAt = Time(r, 16),
        UniqueKey = r.IsDBNull(17) ? null : r.GetString(17),
        Batch = r.IsDBNull(18) ? null : new JobId(r.GetGuid(18)),
        After = r.IsDBNull(19) ? [] : [.. r.GetFieldValue<Guid[]>(19).Select(a => new JobId(a))],
        Waits = r.GetInt32(20),
        Origin = r.IsDBNull(21) ? null : r.GetString(21),
        Tags = r.IsDBNull(22) ? [] : r.GetFieldValue<string[]>(22),
        Metadata = r.IsDBNull(23) ? FrozenDictionary<string, string>.Empty : JsonSerializer.Deserialize<Dictionary<string, string>>(r.GetString(23))!,
        RetryOf = r.IsDBNull(24) ? null : new JobId(r.GetGuid(24)),
        RetriedAs = r.IsDBNull(25) ? null : new JobId(r.GetGuid(25)),
        Events = r.IsDBNull(26) ? [] : JsonSerializer.Deserialize<List<JobEvent>>(r.GetString(26), ErrorJson)!,
        Trace = r.IsDBNull(27) ? null : r.GetString(27),
        CancelRequested = r.IsDBNull(28) ? null : JsonSerializer.Deserialize<Requested>(r.GetString(28), ErrorJson),
        Progress = r.IsDBNull(r.GetOrdinal("progress")) ? null : JsonSerializer.Deserialize<JobProgress>(r.GetString(r.GetOrdinal("progress")), ErrorJson),
    };

    private static DateTimeOffset? Time(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetFieldValue<DateTimeOffset>(column);
}
