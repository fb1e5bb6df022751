using System.Text.Json;
using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements about who waits for the end of which job.</summary>
internal sealed class WatchStore(Database database)
{
    private static readonly JsonSerializerOptions ErrorJson = new(JsonSerializerDefaults.Web);

    /// <summary>Has this session told of the ends of these jobs. Returns those that have not ended.</summary>
    public async Task<List<Guid>> WatchAsync(Guid session, Guid[] jobs, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("watch_jobs", Param.Of(jobs), Param.Of(session));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var live = new List<Guid>();
        while (await reader.ReadAsync(ct))
        {
            live.Add(reader.GetGuid(0));
        }

        return live;
    }

    /// <summary>These jobs have ended: the processes that wait for them are told, once. Returns how many notifications that took.</summary>
    public async Task<long> TellAsync(IReadOnlyCollection<Guid> jobs, CancellationToken ct)
    {
        await using var command = database.Command("tell_watchers", Param.Of(jobs.ToArray()), Param.Of(database.Schema));
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>What is known now about these jobs; nothing about one that there is not.</summary>
    public async Task<List<Glimpse>> LookAsync(Guid[] jobs, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("look_at_ends", Param.Of(jobs), Param.Of(QueryStore.LookBack(jobs.Min(j => new JobId(j).CreatedAt))));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var seen = new List<Glimpse>(jobs.Length);
        while (await reader.ReadAsync(ct))
        {
            seen.Add(new Glimpse(new JobId(reader.GetGuid(0)), reader.GetString(1), Words.State(reader.GetString(2)), reader.GetInt32(3), reader.GetString(4), Seconds(reader, 5), Seconds(reader, 6),
                reader.IsDBNull(7) ? null : reader.GetString(7), reader.IsDBNull(8) ? null : JsonSerializer.Deserialize<JobError>(reader.GetString(8), ErrorJson)));
        }

        return seen;
    }

    /// <summary>Clears away what nobody waits for any more.</summary>
    public async Task ClearAsync(CancellationToken ct)
    {
        await using var command = database.Command("clear_watches");
        await command.ExecuteNonQueryAsync(ct);
    }

    private static TimeSpan? Seconds(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : TimeSpan.FromSeconds(reader.GetDouble(column));
}

/// <summary>What one who waits for a job sees of it.</summary>
/// <param name="Id">The job.</param>
/// <param name="Type">Its type.</param>
/// <param name="State">Where it is in its life.</param>
/// <param name="Attempt">How many times it was started.</param>
/// <param name="Queue">Its queue.</param>
/// <param name="Running">Since when its newest attempt was claimed.</param>
/// <param name="DueIn">Until it is due.</param>
/// <param name="Result">JSON.</param>
/// <param name="Error">Its last error, if it ended without success.</param>
internal sealed record Glimpse(JobId Id, string Type, JobState State, int Attempt, string Queue, TimeSpan? Running, TimeSpan? DueIn, string? Result, JobError? Error)
{
    public bool HasEnded => State is JobState.Succeeded or JobState.Failed or JobState.Cancelled or JobState.Expired;
}
