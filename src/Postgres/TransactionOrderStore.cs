using Npgsql;

namespace Jobs.Postgres;

/// <summary>The statements of those who look after transactions: what there is, and orders, each with who gave it and why.</summary>
internal sealed class TransactionOrderStore(Database database, TransactionStore transactions)
{
    /// <summary>A page, newest first.</summary>
    public async Task<List<TransactionLine>> ListAsync(TransactionFilter filter, int limit, Guid? below, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("list_transactions", Param.Of(limit), Param.Uuid(below), Param.Text(filter.State), Param.Text(filter.Name), Param.Text(filter.Mode),
            Param.Number(filter.Older?.TotalSeconds), Param.Number(filter.InDoubt?.TotalSeconds), Param.Of(filter.Live), Param.Text(filter.Kind));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var lines = new List<TransactionLine>();
        while (await reader.ReadAsync(ct))
        {
            lines.Add(new TransactionLine(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetString(3), reader.GetFieldValue<DateTimeOffset>(4), reader.GetFieldValue<DateTimeOffset>(5),
                Time(reader, 6), Time(reader, 7), Text(reader, 8), Text(reader, 9), reader.GetInt32(10), reader.GetInt32(11), reader.GetFieldValue<int[]>(12), Time(reader, 13),
                reader.GetFieldValue<DateTimeOffset>(14)));
        }

        return lines;
    }

    /// <summary>All orders for a transaction, oldest first.</summary>
    public async Task<List<TransactionOrder>> OrdersAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Command("list_orders", Param.Of(id));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var orders = new List<TransactionOrder>();
        while (await reader.ReadAsync(ct))
        {
            orders.Add(new TransactionOrder(reader.GetFieldValue<DateTimeOffset>(0), reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetInt32(2), reader.GetString(3), Text(reader, 4), Time(reader, 5)));
        }

        return orders;
    }

    /// <summary>Decides to abort what is undecided, and enqueues the job that tells of it, in one commit. The text is the reason that the transaction shows.</summary>
    /// <returns>The tickets; null: something was decided before, or there is no such transaction.</returns>
    public Task<IReadOnlyList<Ticket>?> AbortIfUndecidedAsync(Guid id, string text, Doer doer, NewJob watch, CancellationToken ct) => WithJobAsync(watch, async transaction =>
    {
        await using var command = Command(transaction, "abort_if_undecided", Param.Of(id), Param.Of(text), Param.Text(doer.By), Param.Text(doer.Reason));
        return await command.ExecuteNonQueryAsync(ct) > 0;
    }, ct);

    /// <summary>The job that tells of what was decided before.</summary>
    public Task<IReadOnlyList<Ticket>?> TellAsync(NewJob watch, CancellationToken ct) => WithJobAsync(watch, _ => Task.FromResult(true), ct);

    /// <summary>An order for one parked branch or for all of them, and the job that tells of it, in one commit.</summary>
    /// <returns>The branches it is for and the tickets; none: no such branch is parked.</returns>
    public async Task<(IReadOnlyList<int> Branches, IReadOnlyList<Ticket> Tickets)> OrderIfParkedAsync(Guid id, int? branch, string verb, Doer doer, NewJob watch, CancellationToken ct)
    {
        var branches = new List<int>();
        var tickets = await WithJobAsync(watch, async transaction =>
        {
            branches.Clear();
            await using var command = Command(transaction, "order_if_parked", Param.Of(id), Param.Number(branch), Param.Of(verb), Param.Text(doer.By), Param.Text(doer.Reason));
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                branches.Add(reader.GetInt32(0));
            }

            return branches.Count > 0;
        }, ct);
        return (branches, tickets ?? []);
    }

    /// <summary>What the coordinators have not been sent.</summary>
    public async Task<List<OrderToTell>> ToTellAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Command("orders_to_tell", Param.Of(id));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var orders = new List<OrderToTell>();
        while (await reader.ReadAsync(ct))
        {
            orders.Add(new OrderToTell(reader.GetInt64(0), reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetInt32(2), reader.IsDBNull(3) ? null : reader.GetInt32(3), Text(reader, 4)));
        }

        return orders;
    }

    public async Task ToldAsync(IEnumerable<long> ids, CancellationToken ct)
    {
        await using var command = database.Command("tell_if_untold", Param.Of(ids.ToArray()));
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task<IReadOnlyList<Ticket>?> WithJobAsync(NewJob job, Func<NpgsqlTransaction, Task<bool>> write, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (!await write(transaction))
        {
            return null; // and it is rolled back
        }

        var tickets = await transactions.EnqueueAsync([job], transaction, pending: false, ct);
        await transaction.CommitAsync(ct);
        return tickets;
    }

    private NpgsqlCommand Command(NpgsqlTransaction transaction, string statement, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(database.Sql[statement], transaction.Connection, transaction);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private static string? Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static DateTimeOffset? Time(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column);
}
