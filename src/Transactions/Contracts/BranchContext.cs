namespace Jobs.Transactions;

/// <summary>Which call of which branch a participant is asked for.</summary>
/// <param name="Transaction">The transaction.</param>
/// <param name="Branch">The branch's number in it, from 1.</param>
/// <param name="Kind">The stable name of the branch's record.</param>
/// <param name="Fence">Only grows from call to call of a branch, over all of prepare, commit and abort and all their repetitions. Whoever has seen a higher one must refuse a lower one.</param>
/// <param name="Attempt">Which try of this verb it is, from 1.</param>
public sealed record BranchContext(TransactionId Transaction, int Branch, string Kind, long Fence, int Attempt)
{
    /// <summary>
    /// Names the branch: the same in every call of every verb, for ever; 40 characters or a few more of <c>0-9 a-f - .</c>. Where the other side wants a key for each request, put the verb behind it.
    /// </summary>
    public string IdempotencyKey => $"{Transaction}.{Branch}";

    /// <summary>Nothing was asked of the branch before.</summary>
    internal bool IsFirst => Fence == FenceOf(1, 1);

    /// <summary>The round grows with everything that is asked, the attempt with every run of that: together they only grow.</summary>
    internal static long FenceOf(int round, int attempt) => ((long)round << 32) | (uint)attempt;
}
