using Jobs.Postgres;

namespace Jobs.Transactions;

/// <summary>The coordinator's decisions, read where they are durable. So an answer to commit is never given before the decision is.</summary>
internal sealed class Decisions(Database database) : IDecisions
{
    private readonly DecisionStore _store = new(database);

    public async Task<(string Name, string Origin)> InstallationAsync(CancellationToken ct) => (database.Schema, await _store.InstallationAsync(ct));

    public async Task<IReadOnlyDictionary<Guid, Known>> AskAsync(IReadOnlyCollection<Guid> transactions, CancellationToken ct) =>
        transactions.Count == 0 ? new Dictionary<Guid, Known>() : (await _store.ReadAsync([.. transactions], ct)).ToDictionary(t => t.Id, t => t switch
        {
            { Commit: true } => new Known(Decision.Commit, t.Ended),
            { Commit: false } => new Known(Decision.Abort, t.Ended || !t.Known),
            { Known: true } => new Known(Decision.Open, false),
            _ => new Known(Decision.Unknown, true),
        });
}
