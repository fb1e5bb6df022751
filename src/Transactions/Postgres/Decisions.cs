using Jobs.Postgres;

namespace Jobs.Transactions;

/// <summary>The coordinator's decisions, read where they are durable. So an answer to commit is never given before the decision is.</summary>
internal sealed class Decisions(Database database) : IDecisions
{
    private readonly DecisionStore _store = new(database);

    public async Task<(string Name, string Origin)> InstallationAsync(CancellationToken ct) => (database.Schema, await _store.InstallationAsync(ct));

    public async Task<IReadOnlyDictionary<Guid, Verdict>> AskAsync(IReadOnlyCollection<Guid> transactions, CancellationToken ct) =>
        transactions.Count == 0 ? new Dictionary<Guid, Verdict>() : (await _store.ReadAsync([.. transactions], ct)).ToDictionary(t => t.Id, t => t switch
        {
            { Commit: true } => new Verdict(Decision.Commit, t.Ended),
            { Commit: false } => new Verdict(Decision.Abort, t.Ended || !t.Known),
            { Known: true } => new Verdict(Decision.Open, false),
            _ => new Verdict(Decision.Unknown, true),
        });
}
