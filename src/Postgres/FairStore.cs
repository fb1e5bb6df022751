namespace Jobs.Postgres;

/// <summary>The statements of fair queues: which they are, and whose turn a job waits for.</summary>
internal sealed class FairStore(Database database)
{
    private const int Page = 2000;

    /// <summary>Returns when new jobs of the queue have a value, and all that wait have theirs. Null: they need none any more.</summary>
    public async Task SetAsync(string queue, string? key, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        var setAt = await Transient.RetryAsync(async c =>
        {
            await using var command = database.Command("set_fairness", Param.Of(queue), Param.Texts(key?.Split('.')));
            return (DateTime)(await command.ExecuteScalarAsync(c))!;
        }, "set fairness", database.Log, ct, Transient.Few);
        if (key is null)
        {
            return;
        }

        await FillAsync(queue, ct);
        await Transient.RetryAsync(async c =>
        {
            await using var command = database.Command("mark_passed", Param.Of(queue), Param.Of(setAt));
            return await command.ExecuteNonQueryAsync(c);
        }, "mark a fair queue as passed", database.Log, ct);
    }

    /// <returns>False: the queue is not fair.</returns>
    public async Task<bool> SetWeightAsync(string queue, string value, int weight, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        return await Transient.RetryAsync(async c =>
        {
            await using var command = database.Command("set_fair_weight", Param.Of(queue), Param.Of(value), Param.Of(weight));
            return await command.ExecuteScalarAsync(c) is int;
        }, "set a weight", database.Log, ct, Transient.Few);
    }

    /// <summary>Gives the jobs that wait there their values, a page a statement.</summary>
    public async Task FillAsync(string queue, CancellationToken ct)
    {
        for (Guid? above = Guid.Empty; above is not null;)
        {
            var from = above.Value;
            above = await Transient.RetryAsync(async c =>
            {
                await using var command = database.Command("fill_fair", Param.Of(queue), Param.Of(from), Param.Of(Page));
                return await command.ExecuteScalarAsync(c) as Guid?;
            }, "give jobs of a fair queue their values", database.Log, ct);
        }
    }

    /// <summary>Fair queues in which some jobs that wait may have no value, and when they were set.</summary>
    public async Task<List<(string Queue, DateTime SetAt)>> UnfilledAsync(CancellationToken ct)
    {
        await using var command = database.Command("unfilled_queues");
        await using var reader = await command.ExecuteReaderAsync(ct);
        List<(string, DateTime)> queues = [];
        while (await reader.ReadAsync(ct))
        {
            queues.Add((reader.GetString(0), reader.GetDateTime(1)));
        }

        return queues;
    }

    /// <summary>A filling that began when this setting was no longer new has found all there was.</summary>
    public async Task MarkFilledAsync(string queue, DateTime setAt, CancellationToken ct)
    {
        await using var command = database.Command("mark_filled", Param.Of(queue), Param.Of(setAt));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Of queues that are fair no more, those that have none left that has a value.</summary>
    public async Task<int> ForgetAsync(CancellationToken ct)
    {
        await using var command = database.Command("forget_fair");
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>The same queues, with how they are fair.</summary>
    public async Task<IReadOnlyList<QueueInfo>> WithFairnessAsync(IReadOnlyList<QueueInfo> queues, CancellationToken ct)
    {
        Dictionary<string, (string Key, Dictionary<string, int> Weights)> fair = [];
        await using (var command = database.Command("fair_settings"))
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                var name = reader.GetString(0);
                if (!fair.TryGetValue(name, out var found))
                {
                    fair[name] = found = (reader.GetString(1), []);
                }

                if (!reader.IsDBNull(2))
                {
                    found.Weights[reader.GetString(2)] = reader.GetInt32(3);
                }
            }
        }

        return fair.Count == 0 ? queues : [.. queues.Select(q => fair.TryGetValue(q.Name, out var f) ? q with { Fairness = new QueueFairness(f.Key, f.Weights) } : q)];
    }

    /// <summary>Whose turn a queued job waits for; null when its queue is not fair. At most <paramref name="limit"/> of everything is counted.</summary>
    public async Task<Turn?> TurnAsync(JobId id, int limit, CancellationToken ct)
    {
        await using var command = database.Command("explain_turn", Param.Of(id.Value), Param.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct)
            ? new Turn(reader.IsDBNull(0) ? null : reader.GetString(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5),
                reader.GetFieldValue<DateTimeOffset>(6))
            : null;
    }
}

/// <summary>Where a queued job of a fair queue stands.</summary>
/// <param name="Key">The path of the queue's key; null when the queue is fair no more, and what has a value is still served in turn.</param>
/// <param name="Value">What the job's arguments say there; empty when nothing.</param>
/// <param name="Own">Jobs of the same value and priority before it.</param>
/// <param name="Active">Values that have something waiting at its priority, its own among them.</param>
/// <param name="Others">Jobs of other values that have their turns before it.</param>
/// <param name="Above">Jobs that wait at higher priorities.</param>
/// <param name="TicketAt">When its ticket was sent.</param>
internal sealed record Turn(string? Key, string Value, long Own, long Active, long Others, long Above, DateTimeOffset TicketAt);
