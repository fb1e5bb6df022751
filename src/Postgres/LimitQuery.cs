using Npgsql;

namespace Jobs.Postgres;

/// <summary>Limits as people look at them.</summary>
internal sealed class LimitQuery(Database database)
{
    /// <summary>So many of the jobs that hold a gate are named.</summary>
    private const int MostHolders = 20;

    /// <summary>All of them by name, or the one with this name; without their gates.</summary>
    public async Task<List<LimitInfo>> ListAsync(string? name, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var command = database.Command("list_limits", Param.Text(name), Param.Of(LimitInfo.MostCounted));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var limits = new List<LimitInfo>();
        while (await reader.ReadAsync(ct))
        {
            limits.Add(new LimitInfo(Read(reader))
            {
                Origin = Enum.Parse<LimitOrigin>(reader.GetString(10), ignoreCase: true),
                SetAt = reader.GetFieldValue<DateTimeOffset>(11),
                By = Text(reader, 12),
                Reason = Text(reader, 13),
                Held = reader.GetInt64(14),
                Paused = reader.GetInt64(15),
                Waiting = reader.GetInt64(16),
            });
        }

        return limits;
    }

    /// <summary>The busiest gates of a limit, or the one for this value of its key.</summary>
    public async Task<List<LimitGate>> GatesAsync(string name, string? value, int most, CancellationToken ct)
    {
        await using var command = database.Command("list_gates", Param.Of(name), Param.Text(value), Param.Of(most), Param.Of(MostHolders), Param.Of(LimitInfo.MostCounted));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var gates = new List<LimitGate>();
        while (await reader.ReadAsync(ct))
        {
            gates.Add(new LimitGate(Text(reader, 0))
            {
                OwnSlots = Whole(reader, 1),
                OwnTokens = Number(reader, 2),
                Slots = Whole(reader, 3),
                RateTokens = Number(reader, 4),
                Held = reader.GetInt32(5),
                Holders = Ids(reader, 6),
                Waiting = reader.GetInt64(7),
                Tokens = Number(reader, 8),
                NextAt = Time(reader, 9),
                PausedUntil = Time(reader, 10),
                PausedBy = reader.IsDBNull(11) ? null : new JobId(reader.GetGuid(11)),
            });
        }

        return gates;
    }

    /// <summary>What holds a job back; null: no limit does.</summary>
    public async Task<Blockage?> BlockageAsync(JobId id, int holders, CancellationToken ct)
    {
        await using var command = database.Command("explain_limit", Param.Of(id.Value), Param.Of(holders), Param.Of(LimitInfo.MostCounted));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? new Blockage(Read(reader), new LimitGate(reader.GetString(11))
        {
            Slots = Whole(reader, 12),
            RateTokens = Number(reader, 13),
            Held = reader.GetInt32(14),
            PausedUntil = Time(reader, 15),
            PausedBy = reader.IsDBNull(16) ? null : new JobId(reader.GetGuid(16)),
            Tokens = Number(reader, 19),
            NextAt = Time(reader, 20),
            Holders = Ids(reader, 21),
        })
        {
            IsGone = !reader.GetBoolean(10),
            Since = Time(reader, 17),
            Cost = reader.GetDouble(18),
            Before = reader.GetInt64(23),
            IsCut = reader.GetInt64(22) >= LimitInfo.MostCounted,
        } : null;
    }

    /// <summary>The first ten columns of a rule.</summary>
    internal static JobLimit Read(NpgsqlDataReader r) => new(r.GetString(0))
    {
        Queue = Text(r, 1),
        Type = Text(r, 2),
        Key = Path(r, 3),
        Slots = Whole(r, 4),
        Rate = r.IsDBNull(5) ? null : new RateLimit(r.GetDouble(6), TimeSpan.FromSeconds(r.GetDouble(7)))
        {
            Algorithm = Algorithm(r.GetString(5)),
            Burst = r.GetString(5) == "token" ? r.GetDouble(8) : null,
            Cost = Path(r, 9),
        },
    };

    internal static IReadOnlyList<JobId> Ids(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? [] : [.. r.GetFieldValue<Guid[]>(column).Select(id => new JobId(id))];

    private static RateAlgorithm Algorithm(string word) => Array.Find(Enum.GetValues<RateAlgorithm>(), a => LimitStore.Word(a) == word);

    private static string? Path(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : string.Join('.', r.GetFieldValue<string[]>(column));

    private static string? Text(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetString(column);

    private static int? Whole(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetInt32(column);

    private static double? Number(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetDouble(column);

    private static DateTimeOffset? Time(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetFieldValue<DateTimeOffset>(column);
}

/// <summary>The gate that holds a job back: since when it last did, what the job costs there, and how many wait before it (cut: at least).</summary>
internal sealed record Blockage(JobLimit Limit, LimitGate Gate)
{
    /// <summary>No rule of this name is there any more.</summary>
    public bool IsGone { get; init; }

    public DateTimeOffset? Since { get; init; }

    public double Cost { get; init; }

    public long Before { get; init; }

    public bool IsCut { get; init; }
}
