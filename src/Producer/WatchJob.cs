using System.Text.Json;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>Looks after a transaction until it has ended: its deadline, and messages that were lost.</summary>
/// <param name="Transaction">The transaction.</param>
/// <param name="Once">Only tells the coordinators what an operator has ordered.</param>
internal sealed record WatchJob(Guid Transaction, bool Once = false)
{
    public const string Type = "transaction.watch";

    /// <summary>Of its own: participants that hang take all slots of theirs, and a deadline must not wait for them.</summary>
    public const string Queue = "transactions.watch";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    public static NewJob Of(Guid transaction, TimeSpan? delay, bool once = false) => new(JobId.New(), Type, Queue, once ? JobPriority.High.Value : JobPriority.Normal.Value,
        JsonSerializer.SerializeToUtf8Bytes(new WatchJob(transaction, once), Json), delay?.TotalSeconds, null) { Origin = $"transaction {transaction}" };
}
