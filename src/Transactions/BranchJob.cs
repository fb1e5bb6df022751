namespace Jobs.Transactions;

/// <summary>The arguments of the job that asks a branch's participant for something. Its payload is in the branch's row.</summary>
/// <param name="Transaction">The transaction.</param>
/// <param name="Branch">The branch's number.</param>
/// <param name="Round">What the row counted when the job was enqueued; it is stale once the row counts more.</param>
/// <param name="Verb">What it is asked for.</param>
internal sealed record BranchJob(Guid Transaction, int Branch, int Round, Verb Verb)
{
    /// <summary>A type for each kind, so that workers without its participant leave its jobs alone, and it can have limits of its own.</summary>
    public static string TypeOf(string kind) => $"branch.{kind}";
}

internal enum Verb
{
    Prepare,
    Commit,
    Abort,
}
