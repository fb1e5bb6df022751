namespace Jobs.Transactions;

/// <summary>Runs the steps of one kind in sagas. A new instance, in a DI scope of its own, for every call. Every call comes at least once: make each repeatable, by <see cref="BranchContext.IdempotencyKey"/>.</summary>
public interface ISagaStep<in TStep>
{
    /// <summary>Does the step for good: others see it at once.</summary>
    /// <param name="step">The step's payload.</param>
    /// <param name="context">Which saga and which call.</param>
    /// <param name="ct">Cancelled when the job is to stop: the saga failed meanwhile, the worker stops, its session was ended by others.</param>
    /// <returns>Yes: done. No: it cannot be done, and what was done before is compensated. Throwing means that it is tried again, up to the step's <c>MaxAttempts</c>.</returns>
    Task<Vote> RunAsync(TStep step, BranchContext context, CancellationToken ct);

    /// <summary>
    /// Makes up for the step: called for those that are done, and for those of which it is not known. So it must tolerate that there is nothing to make up for, and see to it that a run with a lower
    /// fence can do nothing any more. Throwing means that it is tried again; after <c>ParkAfter</c> attempts the saga is parked for an operator. Never called where the record says
    /// <see cref="Compensation.NoneNeeded"/>.
    /// </summary>
    /// <param name="step">The step's payload.</param>
    /// <param name="context">Which saga and which call.</param>
    /// <param name="ct">Cancelled when the worker stops or its session was ended by others.</param>
    Task CompensateAsync(TStep step, BranchContext context, CancellationToken ct);
}
