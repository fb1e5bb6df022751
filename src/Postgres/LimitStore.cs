namespace Jobs.Postgres;

/// <summary>The statements of limits: who is admitted at a gate, and the rules themselves.</summary>
internal sealed class LimitStore(Database database)
{
    /// <summary>Jobs that wait at these gates, as many as there is room for now or in <paramref name="ahead"/> seconds, at most <paramref name="most"/> a gate: queued now.</summary>
    public Task<List<Ticket>> AdmitAsync(string[] gates, double ahead, int most, CancellationToken ct) =>
        JobStore.ReadQueuedAsync(database.Command("admit", Param.Of(gates), Param.Of(ahead), Param.Of(most)), ct);

    /// <summary>Gates above a name at which somebody waits, and whether for time to pass.</summary>
    public async Task<List<WaitingGate>> WaitingAsync(string above, int limit, CancellationToken ct)
    {
        await using var command = database.Command("waiting_gates", Param.Of(above), Param.Of(limit));
        await using var reader = await command.ExecuteReaderAsync(ct);
        List<WaitingGate> waiting = [];
        while (await reader.ReadAsync(ct))
        {
            waiting.Add(new WaitingGate(reader.GetString(0), !reader.IsDBNull(1) && reader.GetBoolean(1)));
        }

        return waiting;
    }

    /// <summary>Returns when every later claim keeps to it.</summary>
    public async Task SetAsync(JobLimit limit, string origin, string by, string? reason, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await Transient.RetryAsync(async c =>
        {
            var rate = limit.Rate;
            await using var command = database.Command("set_limit", Param.Of(limit.Name), Param.Text(limit.Queue), Param.Text(limit.Type), Param.Texts(limit.Key?.Split('.')),
                Param.Number(limit.Slots), Param.Text(rate is null ? null : Word(rate.Algorithm)), Param.Number(rate?.Tokens), Param.Number(rate?.Per.TotalSeconds), Param.Number(rate?.Size),
                Param.Texts(rate?.Cost?.Split('.')), Param.Of(origin), Param.Of(by), Param.Text(reason));
            return await command.ExecuteNonQueryAsync(c);
        }, "set a limit", database.Log, ct, Transient.Few);
    }

    /// <returns>False: there is none of this name.</returns>
    public async Task<bool> RemoveAsync(string name, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        return await Transient.RetryAsync(async c =>
        {
            await using var command = database.Command("remove_limit", Param.Of(name));
            return (bool)(await command.ExecuteScalarAsync(c))!;
        }, "remove a limit", database.Log, ct, Transient.Few);
    }

    /// <summary>The algorithm as the rows name it.</summary>
    private static string Word(RateAlgorithm algorithm) => algorithm switch
    {
        RateAlgorithm.TokenBucket => "token",
        RateAlgorithm.LeakyBucket => "leaky",
        RateAlgorithm.FixedWindow => "fixed",
        RateAlgorithm.SlidingWindow => "sliding",
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "No such algorithm."),
    };

    /// <summary>Gates about which nothing need be remembered.</summary>
    public async Task<int> ForgetGatesAsync(int limit, CancellationToken ct)
    {
        await using var command = database.Command("forget_gates", Param.Of(limit));
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }
}

/// <summary>A gate at which somebody waits.</summary>
/// <param name="Id">RULE:KEY.</param>
/// <param name="Timed">Not for somebody's end: a rate or a pause holds it back.</param>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
internal readonly record struct WaitingGate(string Id, bool Timed);
