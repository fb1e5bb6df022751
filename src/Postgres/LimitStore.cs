using Npgsql;

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
            await using var command = database.Command("set_limit", [.. Columns(limit), Param.Of(origin), Param.Of(by), Param.Text(reason)]);
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

    /// <summary>A limit that a process declares. Without a change nothing is written and no claim waits.</summary>
    /// <returns>"set", "same", or "operator": an operator has set it, and that stays.</returns>
    public async Task<string> DeclareAsync(JobLimit limit, string origin, string by, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        return await ScalarAsync<string>("declare_limit", ct, () => [.. Columns(limit), Param.Of(origin), Param.Of(by)]);
    }

    /// <summary>Numbers for one value of the key; both null: the rule's again.</summary>
    /// <returns>"set", "none" (to clear), "unknown", "keyless", "rateless" or "fast".</returns>
    public async Task<string> SetKeyAsync(string name, string value, int? slots, double? tokens, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        return await ScalarAsync<string>("set_limit_key", ct, () => [Param.Of(name), Param.Of(value), Param.Number(slots), Param.Number(tokens)]);
    }

    /// <returns>How many gates were paused.</returns>
    public async Task<int> ResumeAsync(string name, string? value, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        return await ScalarAsync<int>("resume_gates", ct, () => [Param.Of(name), Param.Text(value)]);
    }

    private Task<T> ScalarAsync<T>(string statement, CancellationToken ct, Func<NpgsqlParameter[]> parameters) => Transient.RetryAsync(async c =>
    {
        await using var command = database.Command(statement, parameters());
        return (T)(await command.ExecuteScalarAsync(c))!;
    }, statement, database.Log, ct, Transient.Few);

    private static NpgsqlParameter[] Columns(JobLimit limit)
    {
        var rate = limit.Rate;
        return
        [
            Param.Of(limit.Name), Param.Text(limit.Queue), Param.Text(limit.Type), Param.Texts(limit.Key?.Split('.')), Param.Number(limit.Slots), Param.Text(rate is null ? null : Word(rate.Algorithm)),
            Param.Number(rate?.Tokens), Param.Number(rate?.Per.TotalSeconds), Param.Number(rate?.Size), Param.Texts(rate?.Cost?.Split('.')),
        ];
    }

    /// <summary>The algorithm as the rows name it.</summary>
    internal static string Word(RateAlgorithm algorithm) => algorithm switch
    {
        RateAlgorithm.TokenBucket => "token",
        RateAlgorithm.LeakyBucket => "leaky",
        RateAlgorithm.FixedWindow => "fixed",
        RateAlgorithm.SlidingWindow => "sliding",
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "No such algorithm."),
    };

    /// <summary>Permits for an app, at once or refused. Not safe to repeat with the same hold: whoever gets no answer gives it back and asks under another.</summary>
    public async Task<TakenPermits> TakeAsync(PermitAsk ask, CancellationToken ct)
    {
        await using var command = database.Command("take_permits", Param.Of(ask.Session), Param.Of(ask.Hold), Param.Of(ask.Rule), Param.Text(ask.Key), Param.Of(ask.Least), Param.Of(ask.Want),
            Param.Of(ask.Valid), Param.Of(ask.Short), Param.Of(ask.Ahead));
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new TakenPermits(reader.GetString(0), reader.IsDBNull(1) ? 0 : reader.GetInt32(1), Number(2), Number(3), Number(4), !reader.IsDBNull(5) && reader.GetBoolean(5));

        double? Number(int column) => reader.IsDBNull(column) ? null : reader.GetDouble(column);
    }

    /// <summary>Slots that an app has held; each is given back once.</summary>
    /// <returns>The gates at which jobs wait for them.</returns>
    public async Task<string[]> GiveBackAsync(Guid[] holds, CancellationToken ct)
    {
        await using var command = database.Command("give_back_holds", Param.Of(holds));
        return (string[])(await command.ExecuteScalarAsync(ct))!;
    }

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

/// <summary>What an app asks a limit for. Times in seconds.</summary>
/// <param name="Session">Who holds its slots.</param>
/// <param name="Hold">A new id.</param>
/// <param name="Rule">The limit.</param>
/// <param name="Key">The value of its key; null: it has none.</param>
/// <param name="Least">So many or none.</param>
/// <param name="Want">Tokens that will be of use.</param>
/// <param name="Valid">How long tokens are lent in blocks.</param>
/// <param name="Short">The same where each is lent alone.</param>
/// <param name="Ahead">How long before its time a permit may be given.</param>
internal sealed record PermitAsk(Guid Session, Guid Hold, string Rule, string? Key, int Least, int Want, double Valid, double Short, double Ahead);

/// <summary>What a limit says to that; see 0016_permits.sql.</summary>
internal sealed record TakenPermits(string Said, int Granted, double? Wait, double? Valid, double? Most, bool Counts);
