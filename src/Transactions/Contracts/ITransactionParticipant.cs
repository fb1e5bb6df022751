namespace Jobs.Transactions;

/// <summary>
/// Takes part in two-phase transactions with branches of one kind. A new instance, in a DI scope of its own, for every call. Every call comes at least once: make each repeatable, by
/// <see cref="BranchContext.IdempotencyKey"/>.
/// </summary>
/// <remarks>
/// The calls for one branch come one after the other: prepare, then either commit or abort. Only a process that was taken for dead and lives on may still be inside an earlier call meanwhile; what it
/// does has a lower <see cref="BranchContext.Fence"/> and must be refused by whatever it writes to. Abort may come without any prepare.
/// </remarks>
public interface ITransactionParticipant<in TBranch>
{
    /// <summary>Does the work provisionally, so that both commit and abort remain possible whatever happens to this process, and votes.</summary>
    /// <param name="branch">The branch's payload.</param>
    /// <param name="context">Which transaction and which call.</param>
    /// <param name="ct">Cancelled when the job is to stop: the transaction was aborted meanwhile, the worker stops, its session was ended by others.</param>
    /// <returns>Yes: commit can be done at any time from now on. No: the transaction is aborted. Throwing means that it is tried again, until the transaction's deadline.</returns>
    Task<Vote> PrepareAsync(TBranch branch, BranchContext context, CancellationToken ct);

    /// <summary>Makes final what was prepared. All have voted yes and it is decided, so it must succeed in the end: throwing means that it is tried again, without end.</summary>
    /// <param name="branch">The branch's payload.</param>
    /// <param name="context">Which transaction and which call.</param>
    /// <param name="ct">Cancelled when the worker stops or its session was ended by others.</param>
    Task CommitAsync(TBranch branch, BranchContext context, CancellationToken ct);

    /// <summary>Undoes what was prepared, if anything was, and sees to it that a prepare with a lower fence can do nothing any more. Throwing means that it is tried again, without end.</summary>
    /// <param name="branch">The branch's payload.</param>
    /// <param name="context">Which transaction and which call.</param>
    /// <param name="ct">Cancelled when the worker stops or its session was ended by others.</param>
    Task AbortAsync(TBranch branch, BranchContext context, CancellationToken ct);
}
