namespace Jobs.Postgres;

/// <summary>What ended, summed in closed windows of 10 s, and the rates that come of it.</summary>
internal sealed class ThroughputStore(Database database)
{
    private static readonly (int Column, double Seconds)[] Stretches = [(2, 60), (5, 300), (8, 900)];

    /// <summary>The windows that are over and not summed yet, at most a minute of them; and how long until the next one is.</summary>
    /// <param name="summedTo">Where this process stopped; null: go by the table.</param>
    /// <param name="ct">Stops it.</param>
    public async Task<(DateTimeOffset From, DateTimeOffset To, TimeSpan Next)> ClosedWindowsAsync(DateTimeOffset? summedTo, CancellationToken ct)
    {
        await using var command = database.Command("closed_windows", new Npgsql.NpgsqlParameter
        {
            Value = (object?)summedTo ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz,
        });
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetFieldValue<DateTimeOffset>(0), reader.GetFieldValue<DateTimeOffset>(1), TimeSpan.FromSeconds(reader.GetDouble(2)));
    }

    /// <summary>Sums what ended in these windows. A window that is there already stays as it is.</summary>
    public async Task SumAsync(DateTimeOffset from, DateTimeOffset to, CancellationToken ct)
    {
        await using var command = database.Command("sum_throughput", Param.Of(from), Param.Of(to));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Clears away windows that are over a day old.</summary>
    public async Task ForgetAsync(CancellationToken ct)
    {
        await using var command = database.Command("forget_throughput");
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The rates of the queues in which something ended in the last 15 minutes.</summary>
    public async Task<IReadOnlyDictionary<string, QueueRates>> RatesAsync(CancellationToken ct)
    {
        await using var command = database.Command("read_throughput");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var sums = new Dictionary<string, Dictionary<JobState, EndRate>[]>(StringComparer.Ordinal);
        while (await reader.ReadAsync(ct))
        {
            if (!sums.TryGetValue(reader.GetString(0), out var of))
            {
                sums.Add(reader.GetString(0), of = [[], [], []]);
            }

            for (var i = 0; i < Stretches.Length; i++)
            {
                var (column, seconds) = Stretches[i];
                if (reader.GetInt64(column) is > 0 and var n)
                {
                    of[i].Add(Words.State(reader.GetString(1)),
                        new EndRate(n, n / seconds, TimeSpan.FromSeconds(reader.GetDouble(column + 1) / n), TimeSpan.FromSeconds(reader.GetDouble(column + 2) / n)));
                }
            }
        }

        return sums.ToDictionary(s => s.Key, s => new QueueRates(s.Value[0], s.Value[1], s.Value[2]));
    }
}
