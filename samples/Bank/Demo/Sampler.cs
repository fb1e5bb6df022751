using Npgsql;

namespace Bank.Demo;

/// <summary>The money at one instant.</summary>
/// <param name="Total">What is in both banks, with every transfer that has reached one of them counted as if it had reached the other one too.</param>
/// <param name="Naive">What is in both banks.</param>
/// <param name="Negative">Accounts below zero.</param>
/// <param name="UnderWay">Transfers that had reached one of them.</param>
/// <param name="Unfounded">Those of them which had no decision to commit, or of which nothing is known.</param>
internal sealed record Sample(long Total, long Naive, long Negative, int UnderWay, IReadOnlyList<Guid> Unfounded);

/// <summary>
/// Reads how much money there is while it moves. No snapshot spans two databases, so each is read in one of its own: the sum of its balances, together with the transfers that are applied to them. A transfer that is
/// applied in one snapshot and not in the other is under way; what it does to the other bank is written in its plan, in the coordinator's database, and is added. So the sum is exact whatever the snapshots'
/// distance in time is and whichever of the two is earlier: no tolerance, no repetition, no wait for a quiet moment. And because a decision is durable before anybody is told of it, each transfer under way must have
/// a decision to commit by the time its decision is read, which is after both snapshots.
/// </summary>
internal sealed class Sampler(Stage stage)
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(150);

    /// <summary>What it should always be.</summary>
    public const long Expected = 2L * BankDatabase.Accounts * BankDatabase.Opening;

    public int Taken { get; private set; }

    /// <summary>Samples in which a transfer was half done, so that the plain sum of both banks was another.</summary>
    public int Uneven { get; private set; }

    public int MostUnderWay { get; private set; }

    public Sample? Last { get; private set; }

    public List<string> Faults { get; } = [];

    public async Task RunAsync(CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            var began = TimeProvider.System.GetTimestamp();
            try
            {
                Note(await TakeAsync(stage, Taken % 2 == 0, ct));
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }

            var wait = 5 * TimeProvider.System.GetElapsedTime(began); // looking must stay a small part of what the databases do
            await Task.Delay(wait > Every ? wait : Every, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Note(Sample sample)
    {
        Taken++;
        Uneven += sample.Naive != Expected ? 1 : 0;
        MostUnderWay = Math.Max(MostUnderWay, sample.UnderWay);
        Last = sample;
        Faults.AddRange(Check(sample).Select(fault => $"sample {Taken}: {fault}"));
    }

    public static IEnumerable<string> Check(Sample sample)
    {
        if (sample.Total != Expected)
        {
            yield return $"there are {Money.Text(sample.Total)}, {Money.Text(sample.Total - Expected)} more than there should be";
        }

        if (sample.Negative > 0)
        {
            yield return $"{sample.Negative:N0} accounts are below zero";
        }

        if (sample.Unfounded.Count > 0)
        {
            yield return $"applied in one bank, and not decided to commit: {string.Join(", ", sample.Unfounded)}";
        }
    }

    /// <param name="stage">Where.</param>
    /// <param name="aFirst">Which bank is read first; both orders occur.</param>
    /// <param name="ct">Stops it.</param>
    public static async Task<Sample> TakeAsync(Stage stage, bool aFirst, CancellationToken ct)
    {
        var first = await SnapshotAsync(stage.Bank(aFirst ? "a" : "b"), ct);
        var second = await SnapshotAsync(stage.Bank(aFirst ? "b" : "a"), ct);
        var (a, b) = aFirst ? (first, second) : (second, first);
        var (onlyA, onlyB) = (a.Applied.Except(b.Applied).ToList(), b.Applied.Except(a.Applied).ToList());
        var (missing, unfounded) = onlyA.Count + onlyB.Count == 0 ? (0, []) : await MissingAsync(stage.Database, onlyA, onlyB, ct);
        return new Sample(a.Sum + b.Sum + missing, a.Sum + b.Sum, a.Negative + b.Negative, onlyA.Count + onlyB.Count, unfounded);
    }

    /// <summary>One statement, so one snapshot.</summary>
    private static async Task<(long Sum, long Negative, HashSet<Guid> Applied)> SnapshotAsync(NpgsqlDataSource bank, CancellationToken ct)
    {
        await using var command = bank.CreateCommand("""
            select (select sum(balance)::bigint from account), (select count(*) from account where balance < 0), (select coalesce(array_agg(transfer), '{}') from applied)
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetInt64(0), reader.GetInt64(1), [.. reader.GetFieldValue<Guid[]>(2)]);
    }

    /// <summary>What the other bank will get or give, from the plans of the transfers, and those that were not decided to commit.</summary>
    private static async Task<(long Cents, IReadOnlyList<Guid> Unfounded)> MissingAsync(NpgsqlDataSource database, IReadOnlyList<Guid> onlyA, IReadOnlyList<Guid> onlyB, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            with half as (select id, 'bank.b' as missing from unnest($1) id union all select id, 'bank.a' from unnest($2) id)
            select coalesce(sum((p.args ->> 'cents')::bigint), 0)::bigint, coalesce(array_agg(h.id) filter (where d.decision is distinct from 'commit' or p.args is null), '{}')
            from half h left join transaction_branch p on p.transaction_id = h.id and p.kind = h.missing left join transaction_decision d on d.transaction_id = h.id
            """);
        command.Parameters.Add(new() { Value = onlyA.ToArray() });
        command.Parameters.Add(new() { Value = onlyB.ToArray() });
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetInt64(0), reader.GetFieldValue<Guid[]>(1));
    }
}

internal static class Money
{
    public static string Text(long cents) => (cents / 100m).ToString("N2");
}
