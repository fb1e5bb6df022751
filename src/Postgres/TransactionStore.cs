using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements about transactions that span services.</summary>
internal sealed class TransactionStore(Database database, JobStore jobs)
{
    /// <summary>For the context that maps the tables: it shares this process's connections.</summary>
    public System.Data.Common.DbDataSource Source => database.Source;

    public string Schema => database.Schema;

    public Task ReadyAsync(CancellationToken ct) => database.ReadyAsync(ct);

    /// <summary>T1: all of it in one transaction of its own, durable when this returns.</summary>
    /// <returns>The tickets of its first jobs; none if there was a transaction with this id already.</returns>
    public async Task<IReadOnlyList<Ticket>> BeginAsync(NewTransaction begun, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var tickets = await BeginAsync(begun, transaction, pending: false, ct);
        CrashPoint.Hit("T0");
        await transaction.CommitAsync(ct);
        return tickets;
    }

    /// <summary>The same within the caller's: its jobs wait as pending for the commit.</summary>
    public async Task<IReadOnlyList<Ticket>> BeginAsync(NewTransaction begun, NpgsqlTransaction transaction, bool pending, CancellationToken ct)
    {
        var branches = begun.Branches;
        await using var command = Command(transaction, "begin_transaction", Param.Of(begun.Id), Param.Of(begun.Name), Param.Of(begun.Mode), Param.Of((short)begun.Priority),
            Param.Of(begun.TimeoutSeconds), Param.Of(branches.Select(b => b.Stage).ToArray()), Param.Of(branches.Select(b => b.Kind).ToArray()),
            Param.Of(branches.Select(b => b.Queue).ToArray()), Param.Json([.. branches.Select(b => b.Arguments)]), Param.Of(branches.Select(b => b.Compensated).ToArray()),
            Param.Of(branches.Select(b => b.MaxAttempts).ToArray()), Param.Of(branches.Select(b => b.ParkAfter).ToArray()), Param.Of(branches.Select(b => b.Job).ToArray()), Param.Text(begun.Trace), Param.Of(begun.Watch));
        return await command.ExecuteNonQueryAsync(ct) == 0 ? [] : await EnqueueAsync(begun.Jobs, transaction, pending, ct);
    }

    /// <summary>Jobs that exist if and only if the transaction commits.</summary>
    /// <returns>Their tickets, to be sent after the commit; what is pending or waits has none.</returns>
    public async Task<IReadOnlyList<Ticket>> EnqueueAsync(IReadOnlyList<NewJob> rows, NpgsqlTransaction transaction, bool pending, CancellationToken ct)
    {
        var fates = rows.Count == 0 ? null : await jobs.EnqueueInAsync(rows, transaction, again: false, ct, pending);
        return fates is null || pending ? [] : [.. from row in rows where fates[row.Id].Fate == EnqueueFate.Queued select new Ticket(row.Id, 1, row.Queue, row.Priority, row.Type)];
    }

    /// <summary>Locks a transaction until the end of the caller's and reads it, in one round trip; null: there is none.</summary>
    public async Task<HeldTransaction?> LockAsync(Guid id, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(transaction.Connection, transaction);
        foreach (var statement in new[] { "lock_transaction", "load_branches" })
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(database.Sql[statement]) { Parameters = { Param.Of(id) } });
        }

        await using var reader = await batch.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct))
        {
            return null;
        }

        var held = new HeldTransaction(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetInt16(3), reader.GetFieldValue<DateTimeOffset>(4), Time(reader, 5), Time(reader, 6),
            Text(reader, 7), reader.GetFieldValue<DateTimeOffset>(8), Text(reader, 9), reader.GetFieldValue<DateTimeOffset>(10), []);
        await reader.NextResultAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            held.Branches.Add(new HeldBranch(reader.GetInt32(0), reader.GetInt32(1), reader.GetString(2), reader.GetString(3), reader.GetBoolean(4), reader.GetString(5), reader.GetInt32(6), Text(reader, 7),
                Key(reader, 8), Key(reader, 9), Number(reader, 10), Text(reader, 11), Time(reader, 12), Time(reader, 13), Time(reader, 14), reader.GetBoolean(15), Number(reader, 16)));
        }

        return held;
    }

    /// <summary>T4: the insert that wins decides.</summary>
    /// <returns>The decision that stands.</returns>
    public async Task<(string Decision, string? Reason)> DecideIfUndecidedAsync(Guid id, string decision, string? reason, NpgsqlTransaction transaction, CancellationToken ct)
    {
        while (true)
        {
            await using var command = Command(transaction, "decide_if_undecided", Param.Of(id), Param.Of(decision), Param.Text(reason));
            if (await ReadDecisionAsync(command, ct) is { } found)
            {
                return found;
            }
        }
    }

    /// <summary>The same by itself, for whoever does not hold the transaction.</summary>
    public async Task<string> DecideIfUndecidedAsync(Guid id, string decision, string? reason, CancellationToken ct)
    {
        while (true)
        {
            await using var command = database.Command("decide_if_undecided", Param.Of(id), Param.Of(decision), Param.Text(reason));
            if (await ReadDecisionAsync(command, ct) is { } found)
            {
                return found.Decision;
            }
        }
    }

    /// <summary>Forgets what ended so many days ago, up to <paramref name="limit"/>.</summary>
    public async Task<int> ForgetAsync(int days, int limit, CancellationToken ct)
    {
        await using var command = database.Command("forget_transactions", Param.Of(days), Param.Of(limit));
        return await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The decision, if there is one.</summary>
    public async Task<(string Decision, string? Reason)?> FindDecisionAsync(Guid id, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var command = Command(transaction, "find_decision", Param.Of(id));
        return await ReadDecisionAsync(command, ct);
    }

    /// <summary>Decides to abort what is undecided at its deadline; also where no coordinator runs.</summary>
    public async Task<bool> AbortIfOverdueAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Command("abort_if_overdue", Param.Of(id));
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }

    /// <summary>Those of the jobs that have not ended, and which attempt of them runs.</summary>
    public async Task<Dictionary<Guid, int?>> LiveAsync(IReadOnlyCollection<Guid> ids, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var command = Command(transaction, "live_jobs", Param.Of(ids.ToArray()));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var live = new Dictionary<Guid, int?>();
        while (await reader.ReadAsync(ct))
        {
            live.Add(reader.GetGuid(0), Number(reader, 1));
        }

        return live;
    }

    /// <summary>How often a job was started, whether or not it has ended; null: there is none.</summary>
    public async Task<int?> CountAttemptsAsync(Guid job, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var command = Command(transaction, "count_attempts", Param.Of(job), Param.Of(QueryStore.LookBack(new JobId(job).CreatedAt)));
        return await command.ExecuteScalarAsync(ct) as int?;
    }

    /// <param name="id">The transaction.</param>
    /// <param name="number">The branch.</param>
    /// <param name="again">The job has been started before. What a coordinator is about to write is waited for: it may take the answer of that attempt for the end of all calls.</param>
    /// <param name="ct">Cancels it.</param>
    public async Task<BranchToDo?> FindBranchAsync(Guid id, int number, bool again, CancellationToken ct)
    {
        if (again)
        {
            await using var wait = database.Command("await_turn", Param.Of(id));
            await wait.ExecuteNonQueryAsync(ct);
        }

        await using var command = database.Command("find_branch", Param.Of(id), Param.Of(number));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return !await reader.ReadAsync(ct) ? null
            : new BranchToDo(reader.GetInt32(0), reader.GetFieldValue<byte[]>(1), Number(reader, 2), Number(reader, 3), reader.GetString(4), Key(reader, 5));
    }

    /// <returns>Its state, the time to its deadline, whether there is an order to tell, and its mode; null: there is none.</returns>
    public async Task<(string State, TimeSpan Left, bool Ordered, string Mode)?> WatchAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Command("watch_transaction", Param.Of(id));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetString(0), TimeSpan.FromSeconds(reader.GetDouble(1)), reader.GetBoolean(2), reader.GetString(3)) : null;
    }

    /// <summary>Has the session told of its end.</summary>
    public async Task WatchEndAsync(Guid id, Guid session, CancellationToken ct)
    {
        await using var command = database.Command("watch_end", Param.Of(id), Param.Of(session));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>These have ended: the processes that wait for them are told, and the jobs that wait to look after them are gone. Tried a few times, and harmless when it is done twice.</summary>
    public Task TellEndedAsync(IReadOnlyCollection<Guid> ids) => Transient.RetryAsync(async ct =>
    {
        await using var command = database.Command("tell_transactions_ended", Param.Of(ids.ToArray()), Param.Of(database.Schema));
        return await command.ExecuteScalarAsync(ct);
    }, "tell of ends of transactions", database.Log, CancellationToken.None, Transient.Few);

    public async Task<SeenTransaction?> FindAsync(Guid id, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("find_transaction", Param.Of(id));
        await using var reader = await command.ExecuteReaderAsync(ct);
        SeenTransaction? seen = null;
        while (await reader.ReadAsync(ct))
        {
            seen ??= new SeenTransaction(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetFieldValue<DateTimeOffset>(3), reader.GetFieldValue<DateTimeOffset>(4),
                Time(reader, 5), Time(reader, 6), Text(reader, 7), Text(reader, 8), []);
            seen.Branches.Add(new SeenBranch(reader.GetInt32(9), reader.GetInt32(10), reader.GetString(11), reader.GetString(12), Text(reader, 13), Key(reader, 14),
                Time(reader, 15), Time(reader, 16), Time(reader, 17), reader.GetString(18), reader.GetInt32(19)));
        }

        return seen;
    }

    /// <summary>Whether nobody with a higher fence has passed, in the caller's transaction on the database of the jobs.</summary>
    public async Task<bool> PassFenceAsync(string key, long fence, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var command = Command(transaction, "pass_fence", Param.Of(key), Param.Of(fence));
        return await command.ExecuteScalarAsync(ct) is not null;
    }

    private static async Task<(string Decision, string? Reason)?> ReadDecisionAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetString(0), Text(reader, 1)) : null;
    }

    private NpgsqlCommand Command(NpgsqlTransaction transaction, string statement, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(database.Sql[statement],
            transaction.Connection ?? throw new InvalidOperationException("The transaction has already been committed or rolled back; begin before that."), transaction);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private static string? Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static Guid? Key(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetGuid(column);

    private static int? Number(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt32(column);

    private static DateTimeOffset? Time(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
}
