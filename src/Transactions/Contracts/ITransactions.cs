using Npgsql;

namespace Jobs.Transactions;

/// <summary>Begins transactions that span services, and looks at them. Thread-safe; one for the whole app.</summary>
public interface ITransactions
{
    /// <summary>Begins a transaction. It is durable when this returns, and then comes to an end whatever is killed.</summary>
    /// <exception cref="ArgumentException">A value of the plan breaks its rule; the message lists all faults, and nothing was written.</exception>
    /// <exception cref="JobTooLargeException">A payload is over the limit of arguments.</exception>
    Task<TransactionId> BeginAsync(TransactionPlan plan, CancellationToken ct = default);

    /// <summary>As the other, in your own transaction on the same database: it begins if and only if you commit. Its deadline counts from the start of your transaction.</summary>
    /// <inheritdoc cref="BeginAsync(TransactionPlan, CancellationToken)"/>
    Task<TransactionId> BeginAsync(TransactionPlan plan, NpgsqlTransaction transaction, CancellationToken ct = default);

    /// <summary>Waits for its end, and says which it was: committed or aborted. A parked one has not ended.</summary>
    /// <param name="id">The transaction.</param>
    /// <param name="timeout">How long to wait: 0 (has it ended?) to 30 days, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="ct">Stops the waiting; the transaction goes on.</param>
    /// <exception cref="TimeoutException">It has not ended in time; the message says whom it waits for. It goes on.</exception>
    /// <exception cref="JobsException">There is no such transaction.</exception>
    Task<TransactionInfo> WaitAsync(TransactionId id, TimeSpan timeout, CancellationToken ct = default);

    /// <summary>What is known about it; null: there is none.</summary>
    Task<TransactionInfo?> GetAsync(TransactionId id, CancellationToken ct = default);

    /// <summary>Aborts a transaction that is undecided, parked or not: nothing of it is left in the end.</summary>
    /// <param name="id">The transaction.</param>
    /// <param name="reason">By whom and why, for the record. 1 to 2,000 characters.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <returns>False: it was decided before that it commits. True: it aborts, or has.</returns>
    /// <exception cref="JobsException">There is no such transaction.</exception>
    Task<bool> AbortAsync(TransactionId id, string reason, CancellationToken ct = default);

    /// <summary>Has the parked branches of a transaction tried again. Acts within moments, once a coordinator has heard of it by a job of the queue <c>transactions.watch</c>; without parked branches it changes nothing.</summary>
    /// <exception cref="JobsException">There is no such transaction.</exception>
    Task RetryAsync(TransactionId id, CancellationToken ct = default);

    /// <summary>Declares one parked branch to be done by hand: compensated if the transaction is being aborted, else run. The transaction goes on without it.</summary>
    /// <param name="id">The transaction.</param>
    /// <param name="branch">The branch's number.</param>
    /// <param name="reason">Who did what, for the record. 1 to 2,000 characters.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <exception cref="JobsException">There is no such transaction or branch, or it is not parked.</exception>
    Task SettleAsync(TransactionId id, int branch, string reason, CancellationToken ct = default);
}
