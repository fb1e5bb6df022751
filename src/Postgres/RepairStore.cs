using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements of time and repair, run by the schedulers: due jobs, dead sessions, orphans, lost tickets, retention.</summary>
internal sealed class RepairStore(Database database)
{
    /// <summary>Up to <paramref name="limit"/> jobs that are due: queued now.</summary>
    public Task<Dispatched> PromoteIfDueAsync(int limit, CancellationToken ct) =>
        Dispatched.ReadAsync(database.Command("promote_if_due", Param.Of(limit)), ct);

    /// <summary>How long until the next job is due, less than nothing for how long it has been; null when none waits.</summary>
    public async Task<TimeSpan?> NextDueAsync(CancellationToken ct)
    {
        await using var command = database.Command("next_due");
        return await command.ExecuteScalarAsync(ct) is double seconds ? TimeSpan.FromSeconds(Math.Clamp(seconds, -1e9, 86_400)) : null;
    }

    /// <summary>Ends dead sessions. <paramref name="suspects"/>: those whose lock was gone in the sweep before.</summary>
    public async Task<List<SuspectSession>> SweepSessionsAsync(TimeSpan ttl, Guid[] suspects, CancellationToken ct)
    {
        await using var command = database.Command("sweep_sessions", Param.Of(ttl.TotalSeconds), Param.Of(suspects));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var found = new List<SuspectSession>();
        while (await reader.ReadAsync(ct))
        {
            found.Add(new SuspectSession(reader.GetGuid(0), reader.GetString(1), reader.GetInt32(2), reader.GetBoolean(3), reader.GetBoolean(4), reader.GetDouble(5)));
        }

        return found;
    }

    /// <summary>Returns orphaned running jobs to their queues. A dispatch of -1 marks one that was failed as poison instead.</summary>
    public Task<List<Ticket>> RescueIfOrphanedAsync(int limit, int poisonAfter, CancellationToken ct) =>
        JobStore.ReadQueuedAsync(database.Command("rescue_if_orphaned", Param.Of(limit), Param.Of(poisonAfter)), ct);

    /// <summary>Ends up to <paramref name="limit"/> waiting jobs that are no longer worth starting.</summary>
    public Task<EndReport> ExpireIfWaitingAsync(int limit, CancellationToken ct) => JobStore.ReadEndedAsync(database.Command("expire_if_waiting", Param.Of(limit)), ct);

    /// <summary>Clears away up to <paramref name="limit"/> held keys whose time is over. Returns how many there were.</summary>
    public async Task<int> ClearHeldKeysAsync(int limit, CancellationToken ct)
    {
        await using var command = database.Command("clear_held_keys", Param.Of(limit));
        return await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Ends up to <paramref name="limit"/> jobs whose end was asked for while they ran, and that wait again.</summary>
    public Task<EndReport> CancelIfRequestedAsync(int limit, CancellationToken ct) => JobStore.ReadEndedAsync(database.Command("cancel_if_requested", Param.Of(limit)), ct);

    /// <summary>Tells cancel requests to whoever runs their jobs now, and clears away those whose jobs have ended.</summary>
    public async Task RenewCancelRequestsAsync(CancellationToken ct)
    {
        await using (var renew = database.Command("renew_cancel_requests"))
        {
            await renew.ExecuteNonQueryAsync(ct);
        }

        await using var clear = database.Command("clear_cancel_requests");
        await clear.ExecuteNonQueryAsync(ct);
    }

    /// <summary>For each queue with waiting jobs: the age of its oldest ticket and what its markers say.</summary>
    public async Task<List<QueueTickets>> OldestTicketsAsync(CancellationToken ct)
    {
        await using var command = database.Command("oldest_tickets");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var queues = new List<QueueTickets>();
        while (await reader.ReadAsync(ct))
        {
            queues.Add(new QueueTickets(reader.GetString(0), Age(reader, 1), Age(reader, 2), Age(reader, 3), Age(reader, 4)));
        }

        return queues;
    }

    /// <summary>Notes that a marker is about to be sent; returns its time stamp, or null when this is no longer the leader.</summary>
    public async Task<double?> MarkIfLeaderAsync(string queue, long epoch, Guid session, CancellationToken ct)
    {
        await using var command = database.Command("mark_if_leader", Param.Of(queue), Param.Of(epoch), Param.Of(session));
        return await command.ExecuteScalarAsync(ct) as double?;
    }

    /// <summary>A worker met the marker with this time stamp.</summary>
    public async Task SweepQueueAsync(string queue, double marker, CancellationToken ct)
    {
        await using var command = database.Command("sweep_queue", Param.Of(queue), Param.Of(marker));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Jobs whose ticket was sent at least <paramref name="slack"/> before a marker that came back, and is therefore probably lost: to be sent again.</summary>
    public Task<List<Ticket>> ResendIfLostAsync(string queue, int limit, TimeSpan slack, long epoch, Guid session, CancellationToken ct) =>
        JobStore.ReadQueuedAsync(
            database.Command("resend_if_lost", Param.Of(queue), Param.Of(limit), Param.Of(slack.TotalSeconds), Param.Of(epoch), Param.Of(session)), ct);

    /// <summary>Makes the history partitions of the next days. Returns how many were missing.</summary>
    public async Task<int> MakePartitionsAsync(int days, CancellationToken ct)
    {
        await using var command = database.Command("make_partitions", Param.Of(days));
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Drops history that is older than it is kept. Returns the commands that were run.</summary>
    public async Task<IReadOnlyList<string>> DropExpiredAsync(int succeededDays, int otherDays, CancellationToken ct)
    {
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        var commands = new List<string>();
        await using (var expired = new NpgsqlCommand(database.Sql["expired_partitions"], connection))
        {
            expired.Parameters.Add(Param.Of(succeededDays));
            expired.Parameters.Add(Param.Of(otherDays));
            expired.Parameters.Add(Param.Of(database.Schema));
            await using var reader = await expired.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                commands.Add(reader.GetString(0));
            }
        }

        foreach (var text in commands)
        {
            await using var command = new NpgsqlCommand(text, connection);
            await command.ExecuteNonQueryAsync(ct);
        }

        return commands;
    }

    private static TimeSpan? Age(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : TimeSpan.FromSeconds(reader.GetDouble(column));
}

/// <summary>A session that looks dead, or was just ended.</summary>
internal readonly record struct SuspectSession(Guid Id, string Host, int ProcessId, bool Ended, bool Silent, double HeartbeatAge);

/// <summary>Ages on the database clock: of the oldest ticket, of the newest marker sent, of the newest marker that came back and of its coming back.</summary>
internal readonly record struct QueueTickets(string Queue, TimeSpan? Oldest, TimeSpan? MarkerSent, TimeSpan? SweptTo, TimeSpan? SweptAt);
