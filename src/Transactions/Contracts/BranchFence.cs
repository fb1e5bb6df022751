using Jobs.Postgres;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>Keeps late calls of a branch out of data in the database of the jobs: one row for each branch that asks. Injected wherever <c>AddTransactions</c> was called; thread-safe.</summary>
public sealed class BranchFence
{
    private readonly TransactionStore _store;

    internal BranchFence(TransactionStore store) => _store = store;

    /// <summary>
    /// Call it first in the transaction that does the work. It waits for any other call of this branch that is inside its own, and is then the newest, or not.
    /// </summary>
    /// <param name="context">The call.</param>
    /// <param name="transaction">The participant's own, on the database of the jobs. The mark is kept with its commit.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <returns>False: a later call has been here. Do nothing, and roll back.</returns>
    /// <exception cref="InvalidOperationException">The transaction has ended.</exception>
    public Task<bool> PassAsync(BranchContext context, NpgsqlTransaction transaction, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(transaction);
        return _store.PassFenceAsync(context.IdempotencyKey, context.Fence, transaction, ct);
    }
}
