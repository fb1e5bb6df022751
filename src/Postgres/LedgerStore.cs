using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>
/// The ledger of occurrences. The row of the schedule is locked, what is due is judged, and ledger, jobs and watermark are written in one transaction, so any number of
/// schedulers may do this at the same time.
/// </summary>
internal sealed class LedgerStore(Database database, JobStore jobs)
{
    /// <param name="name">The schedule.</param>
    /// <param name="judge">Decides, from the row and from the state of the newest job if the schedule's rule asks for it (null: it has ended).</param>
    /// <param name="ct">Stops it; nothing is written then.</param>
    /// <returns>Null: there is no such schedule.</returns>
    public async Task<Recorded?> RecordAsync(string name, Func<ScheduleRow, JobState?, Pass> judge, CancellationToken ct)
    {
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (await ScheduleStore.LockAsync(database, transaction, name, ct) is not { } schedule)
        {
            return null;
        }

        var pass = judge(schedule, await PreviousAsync(schedule, transaction, ct));
        if (pass.Verdicts.Count == 0 && pass.NextAt == schedule.NextAt && !pass.PauseEnds)
        {
            return new Recorded(pass, schedule.Now, [], Followed.Nothing);
        }

        var verdicts = await WriteAsync(schedule.Name, pass.Verdicts, transaction, ct);
        var followed = await CancelAsync(schedule.Name, pass.Cancel, transaction, ct);
        CrashPoint.Hit("E1");
        var (tickets, fates) = await EnqueueAsync(schedule, verdicts, transaction, ct);
        await AdvanceAsync(schedule.Name, pass, verdicts.LastOrDefault(v => v.Job is { } j && fates[j].Id == j)?.Job, transaction, ct);
        await transaction.CommitAsync(ct);
        CrashPoint.Hit("E2");

        // A job that waits for one which ended meanwhile, unseen by the judge, is let go by being told again.
        var parents = verdicts.Select(v => v.After).OfType<JobId>().Select(a => a.Value);
        return new Recorded(pass, schedule.Now, tickets, new Followed([.. followed.Jobs, .. parents], followed.Batches))
        {
            Enqueued = verdicts.Count(v => v.Job is not null),
            Skipped = verdicts.Where(v => v.Job is null).Sum(v => (long)v.Count),
        };
    }

    private async Task<JobState?> PreviousAsync(ScheduleRow schedule, NpgsqlTransaction transaction, CancellationToken ct)
    {
        if (schedule.Overlap == Overlap.Allow || schedule.LastJob is not { } last)
        {
            return null;
        }

        await using var find = Command("find_live_job", transaction, Param.Of(last));
        return await find.ExecuteScalarAsync(ct) is string state ? Words.State(state) : null;
    }

    /// <summary>Those that were not in the ledger before.</summary>
    private async Task<List<Verdict>> WriteAsync(string name, IReadOnlyList<Verdict> verdicts, NpgsqlTransaction transaction, CancellationToken ct)
    {
        if (verdicts.Count == 0)
        {
            return [];
        }

        await using var record = Command("record_occurrences", transaction, Param.Of(name),
            Array(verdicts, v => v.At.ToUniversalTime(), NpgsqlDbType.TimestampTz), Array(verdicts, v => v.Count > 1 ? v.Until.ToUniversalTime() : (DateTimeOffset?)null, NpgsqlDbType.TimestampTz),
            Array(verdicts, v => v.Count, NpgsqlDbType.Integer), Array(verdicts, v => v.Job?.Value, NpgsqlDbType.Uuid), Array(verdicts, v => v.Reason, NpgsqlDbType.Text));
        await using var reader = await record.ExecuteReaderAsync(ct);
        var written = new HashSet<DateTimeOffset>();
        while (await reader.ReadAsync(ct))
        {
            written.Add(reader.GetFieldValue<DateTimeOffset>(0));
        }

        return [.. verdicts.Where(v => written.Contains(v.At))];
    }

    private async Task<Followed> CancelAsync(string schedule, JobId? previous, NpgsqlTransaction transaction, CancellationToken ct)
    {
        if (previous is not { } job)
        {
            return Followed.Nothing;
        }

        await using (var cancel = Command("cancel_if_waiting", transaction, Param.Of(job.Value),
            Param.Jsonb("""{"type": "Jobs.CancelledBySchedule", "message": "The next occurrence of its schedule was due, and the schedule cancels the one before."}""")))
        {
            await using var reader = await cancel.ExecuteReaderAsync(ct);
            await reader.ReadAsync(ct);
            if (reader.GetInt64(0) > 0)
            {
                return new Followed(reader.IsDBNull(1) ? [] : reader.GetFieldValue<Guid[]>(1), reader.IsDBNull(2) ? [] : reader.GetFieldValue<Guid[]>(2));
            }
        }

        await using var request = Command("request_cancel_if_running", transaction, Param.Of(new[] { job.Value }), Param.Text($"schedule {schedule}"), Param.Text("Its next occurrence was due."));
        await request.ExecuteNonQueryAsync(ct);
        return Followed.Nothing;
    }

    private async Task<(List<Ticket> Tickets, IReadOnlyDictionary<JobId, Enqueued> Fates)> EnqueueAsync(
        ScheduleRow schedule, List<Verdict> verdicts, NpgsqlTransaction transaction, CancellationToken ct)
    {
        var tickets = new List<Ticket>();
        var fates = new Dictionary<JobId, Enqueued>();
        var taken = new List<Enqueued>();
        var ids = new List<Guid>();

        // One by one where a key makes them compete with each other, or one waits for another of them; such schedules enqueue one at a time anyhow.
        var alone = schedule.Ties is { UniqueKey: not null } or { HeldKey: not null } || schedule.Overlap == Overlap.Queue;
        foreach (var group in verdicts.Where(v => v.Job is not null).Chunk(alone ? 1 : AfterOutage.MaxAll))
        {
            foreach (var (id, fate) in await jobs.EnqueueInAsync([.. group.Select(v => schedule.Job(v.Job!.Value, v.After))], transaction, again: false, ct, pending: false))
            {
                fates.Add(id, fate);
                if (fate.Fate == EnqueueFate.Queued)
                {
                    tickets.Add(new Ticket(id, 1, schedule.Queue, schedule.Priority, schedule.Type));
                }
                else if (fate.Fate == EnqueueFate.Existed && fate.Id != id)
                {
                    ids.Add(id.Value);
                    taken.Add(fate);
                }
            }
        }

        if (ids.Count > 0)
        {
            await using var skip = Command("skip_occurrences", transaction, Param.Of(schedule.Name), Param.Of(ids.ToArray()),
                Param.Of(taken.Select(t => $"its unique key is taken by job {t.Id}").ToArray()));
            await skip.ExecuteNonQueryAsync(ct);
        }

        return (tickets, fates);
    }

    private async Task AdvanceAsync(string name, Pass pass, JobId? last, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var advance = Command("advance_schedule", transaction, Param.Of(name), ScheduleStore.Time(pass.RecordedTo), ScheduleStore.Time(pass.NextAt), Param.Uuid(last?.Value),
            Param.Of(pass.PauseEnds));
        await advance.ExecuteNonQueryAsync(ct);
    }

    private NpgsqlCommand Command(string statement, NpgsqlTransaction transaction, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(database.Sql[statement], transaction.Connection, transaction);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private static NpgsqlParameter Array<T>(IReadOnlyList<Verdict> verdicts, Func<Verdict, T> value, NpgsqlDbType type) =>
        new() { Value = verdicts.Select(value).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type };
}
