namespace Jobs.Postgres;

/// <summary>How many live jobs there are, for those who measure.</summary>
internal sealed class DepthStore(Database database)
{
    public async Task<List<QueueDepth>> DepthsAsync(CancellationToken ct)
    {
        await using var command = database.Command("measure_live");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var depths = new Dictionary<string, (Dictionary<JobState, long> Live, TimeSpan? Oldest)>(StringComparer.Ordinal);
        while (await reader.ReadAsync(ct))
        {
            var queue = reader.GetString(0);
            var (live, oldest) = depths.GetValueOrDefault(queue, ([], null));
            live[Words.State(reader.GetString(1))] = reader.GetInt64(2);
            depths[queue] = (live, reader.IsDBNull(3) ? oldest : TimeSpan.FromSeconds(Math.Max(0, reader.GetDouble(3))));
        }

        return [.. depths.Select(d => new QueueDepth(d.Key, d.Value.Live, d.Value.Oldest))];
    }

    public async Task<List<LimitDepth>> LimitsAsync(CancellationToken ct)
    {
        await using var command = database.Command("measure_limits");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var limits = new List<LimitDepth>();
        while (await reader.ReadAsync(ct))
        {
            limits.Add(new LimitDepth(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2)));
        }

        return limits;
    }

    public async Task<List<TransactionDepth>> TransactionsAsync(CancellationToken ct)
    {
        await using var command = database.Command("measure_transactions");
        await using var reader = await command.ExecuteReaderAsync(ct);
        var found = new List<TransactionDepth>();
        while (await reader.ReadAsync(ct))
        {
            found.Add(new TransactionDepth(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2), TimeSpan.FromSeconds(reader.IsDBNull(3) ? 0 : Math.Max(0, reader.GetDouble(3)))));
        }

        return found;
    }
}

/// <summary>One queue's live jobs by state, and how long the longest waiting of them has been queued.</summary>
internal sealed record QueueDepth(string Queue, IReadOnlyDictionary<JobState, long> Live, TimeSpan? Oldest);

/// <summary>One limit: the running jobs that it counts, and the jobs that it holds back.</summary>
internal sealed record LimitDepth(string Limit, long Held, long Waiting);

/// <summary>Transactions of one state that have not ended: how many, how many of them are in doubt, and how long the first of those.</summary>
internal sealed record TransactionDepth(string State, long Live, long InDoubt, TimeSpan Oldest);
