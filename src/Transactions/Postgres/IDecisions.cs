namespace Jobs.Transactions;

/// <summary>What the coordinator knows of a transaction.</summary>
internal enum Decision
{
    /// <summary>Not decided: whoever is prepared waits.</summary>
    Open,
    Commit,
    Abort,
    /// <summary>There is no such transaction. What is prepared for it is rolled back: a decision to commit is durable before anyone is told, and stays until all have done it.</summary>
    Unknown,
}

/// <param name="Decision">What was decided.</param>
/// <param name="Ended">All branches have done it, or nobody knows of it any more: no verb will come for it.</param>
internal readonly record struct Known(Decision Decision, bool Ended);

/// <summary>The coordinator's decisions, as somebody asks who has waited long enough to be told.</summary>
internal interface IDecisions
{
    /// <summary>The name under which this installation prepares, and what tells it from another one of that name: the instant at which its schema was made.</summary>
    Task<(string Name, string Origin)> InstallationAsync(CancellationToken ct);

    /// <summary>What is decided, all of one instant. Has an entry for every id.</summary>
    Task<IReadOnlyDictionary<Guid, Known>> AskAsync(IReadOnlyCollection<Guid> transactions, CancellationToken ct);
}
