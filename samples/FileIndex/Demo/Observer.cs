using Jobs;
using Npgsql;

namespace FileIndex.Demo;

/// <summary>How far a run is: what the platform says, and what its tables say.</summary>
internal sealed record Snapshot(IReadOnlyList<QueueInfo> Queues, IReadOnlyList<SessionInfo> Sessions, IReadOnlyDictionary<Guid, long> Running, long Succeeded, long Failed)
{
    public long Ended => Succeeded + Failed;

    public long Live(JobState state) => Queues.Sum(q => q.Live.GetValueOrDefault(state));

    public long Waiting => Live(JobState.Queued) + Live(JobState.Scheduled) + Live(JobState.Pending) + Live(JobState.Blocked);

    public long RunningJobs => Running.Values.Sum();
}

/// <summary>Looks.</summary>
internal static class Observer
{
    public static async Task<Snapshot> LookAsync(Stage stage, CancellationToken ct)
    {
        var queues = await stage.Jobs.QueuesAsync(ct);
        var sessions = await stage.Jobs.SessionsAsync(ct);
        var running = await RunningAsync(stage, ct);
        await using var command = stage.Database.CreateCommand("select count(*) filter (where state = 'succeeded'), count(*) filter (where state <> 'succeeded') from history");
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new Snapshot(queues, sessions, running, reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <summary>Jobs that run now, by session.</summary>
    public static async Task<IReadOnlyDictionary<Guid, long>> RunningAsync(Stage stage, CancellationToken ct)
    {
        await using var command = stage.Database.CreateCommand("select session, count(*) from job where state = 'running' group by session");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var running = new Dictionary<Guid, long>();
        while (await reader.ReadAsync(ct))
        {
            running.Add(reader.GetGuid(0), reader.GetInt64(1));
        }

        return running;
    }

    /// <summary>How long after the kill the last of the jobs that it interrupted ended; null while one has not.</summary>
    public static async Task<TimeSpan?> RescueTimeAsync(Stage stage, Death death, CancellationToken ct)
    {
        await using var command = stage.Database.CreateCommand("select max(ended_at) - $2 from history where id = any($1) having count(distinct id) = cardinality($1)");
        command.Parameters.Add(new NpgsqlParameter { Value = death.Jobs });
        command.Parameters.Add(new NpgsqlParameter { Value = death.At });
        return await command.ExecuteScalarAsync(ct) is TimeSpan time ? time : null;
    }
}
