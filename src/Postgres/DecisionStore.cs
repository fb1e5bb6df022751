namespace Jobs.Postgres;

/// <summary>What was decided of transactions, for those who have waited long enough to be told.</summary>
internal sealed class DecisionStore(Database database)
{
    /// <summary>The instant at which the schema was made, as text.</summary>
    public async Task<string> InstallationAsync(CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("read_installation");
        return (string)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>One for each id: whether there is such a transaction, whether it is to be committed (null: not decided), whether it has ended.</summary>
    public async Task<List<(Guid Id, bool Known, bool? Commit, bool Ended)>> ReadAsync(Guid[] ids, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("read_decisions", Param.Of(ids));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var found = new List<(Guid, bool, bool?, bool)>(ids.Length);
        while (await reader.ReadAsync(ct))
        {
            found.Add((reader.GetGuid(0), reader.GetBoolean(1), reader.IsDBNull(2) ? null : reader.GetBoolean(2), reader.GetBoolean(3)));
        }

        return found;
    }
}
