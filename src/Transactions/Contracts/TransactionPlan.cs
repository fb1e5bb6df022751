using System.Text.Json;

namespace Jobs.Transactions;

/// <summary>What a transaction is to consist of: <see cref="TwoPhase"/> or <see cref="Saga"/>. Nothing happens until it is handed to <see cref="ITransactions"/>.</summary>
public abstract class TransactionPlan
{
    /// <summary>The most branches of a transaction.</summary>
    public const int MaxBranches = 1000;

    private protected TransactionPlan(string name, TimeSpan timeout)
    {
        Name = NameRule.Check(name, "name of the transaction");
        Timeout = timeout;
    }

    /// <summary>What kind of transaction it is, for people: 1 to 100 of <c>a-z A-Z 0-9 . _ -</c>.</summary>
    public string Name { get; }

    /// <summary>Its id. Default: a new one. Beginning twice with the same id is one transaction. Must be of version 7 (<see cref="TransactionId.New"/>).</summary>
    public TransactionId Id { get; init; } = TransactionId.New();

    /// <summary>How long it may stay undecided, by the database clock; then it is aborted. 1 s to 30 days. Default: 1 min for <see cref="TwoPhase"/>, 1 h for a <see cref="Saga"/>.</summary>
    public TimeSpan Timeout { get; init; }

    /// <summary>The priority of its jobs. Default 16.</summary>
    public JobPriority Priority { get; init; } = JobPriority.Normal;

    internal List<PlannedBranch> Branches { get; } = [];

    internal abstract TransactionMode Mode { get; }

    /// <summary>Every fault, as one sentence each.</summary>
    internal IEnumerable<string> Faults()
    {
        if (Id.Value.Version != 7)
        {
            yield return $"The id {Id} is not a UUID of version 7; make ids with TransactionId.New().";
        }

        if (Timeout < TimeSpan.FromSeconds(1) || Timeout > TimeSpan.FromDays(30))
        {
            yield return $"The timeout {Timeout} is not allowed; use 1 s to 30 days.";
        }

        if (Branches.Count is 0 or > MaxBranches)
        {
            yield return $"The transaction has {Branches.Count} branches; use 1 to {MaxBranches}.";
        }

        foreach (var branch in Branches)
        {
            if (Mode == TransactionMode.Saga && branch.Info.Compensation == Compensation.Unsaid)
            {
                yield return $"The step \"{branch.Info.Kind}\" does not say what makes up for it: set Compensation = Compensation.ByStep in its [TransactionBranch], or Compensation.NoneNeeded if nothing has to.";
            }

            foreach (var fault in branch.Options?.Faults(branch.Info.Kind) ?? [])
            {
                yield return fault;
            }
        }
    }

    private protected void Add<TBranch>(TBranch branch, int stage, StepOptions? options)
    {
        ArgumentNullException.ThrowIfNull(branch);
        Branches.Add(new PlannedBranch(BranchKind<TBranch>.Info, stage, options, json => JsonSerializer.SerializeToUtf8Bytes(branch, json.GetTypeInfo(typeof(TBranch)))));
    }
}

/// <summary>
/// All or nothing, by two phases: every branch prepares and votes; when all have said yes, the decision to commit is written down, and every branch commits, however long that takes. A no, or no decision by the
/// deadline, aborts all of them.
/// </summary>
/// <param name="name">What kind of transaction it is.</param>
/// <exception cref="ArgumentException">The name is not allowed.</exception>
public sealed class TwoPhase(string name) : TransactionPlan(name, TimeSpan.FromMinutes(1))
{
    internal override TransactionMode Mode => TransactionMode.TwoPhase;

    /// <summary>Adds a branch. All branches prepare side by side.</summary>
    /// <exception cref="InvalidOperationException">The record has no valid <see cref="TransactionBranchAttribute"/>.</exception>
    public TwoPhase Add<TBranch>(TBranch branch)
    {
        Add(branch, 1, null);
        return this;
    }
}

/// <summary>Steps that are done for good one after the other or side by side. If one fails, those that are done are compensated, in the reverse order.</summary>
/// <param name="name">What kind of transaction it is.</param>
/// <exception cref="ArgumentException">The name is not allowed.</exception>
public sealed class Saga(string name) : TransactionPlan(name, TimeSpan.FromHours(1))
{
    private int _stage;

    internal override TransactionMode Mode => TransactionMode.Saga;

    /// <summary>A step that begins when those before it are done.</summary>
    /// <exception cref="InvalidOperationException">The record has no valid <see cref="TransactionBranchAttribute"/>.</exception>
    public Saga Then<TStep>(TStep step, StepOptions? options = null)
    {
        Add(step, _stage + 1, options);
        _stage++;
        return this;
    }

    /// <summary>A step that runs side by side with the one before.</summary>
    /// <exception cref="InvalidOperationException">The record has no valid <see cref="TransactionBranchAttribute"/>, or there is no step before.</exception>
    public Saga And<TStep>(TStep step, StepOptions? options = null)
    {
        Add(step, _stage > 0 ? _stage : throw new InvalidOperationException("And has no step before it; begin with Then."), options);
        return this;
    }
}

/// <summary>How failures of one step of a saga are met.</summary>
public sealed record StepOptions
{
    /// <summary>A step that has thrown this often has failed, and the saga is compensated. Default 5; 1 to 1,000. Without meaning for a <see cref="Forward"/> step.</summary>
    public int MaxAttempts { get; init; } = 5;

    /// <summary>Forward recovery: a step that throws is tried again until it is done, or parked, and then the saga goes on. Only a no or the deadline has the saga compensated. Default false.</summary>
    public bool Forward { get; init; }

    /// <summary>A compensation, or a <see cref="Forward"/> step, that has thrown this often is parked for an operator. Default 25; 1 to 1,000.</summary>
    public int ParkAfter { get; init; } = 25;

    internal IEnumerable<string> Faults(string kind)
    {
        if (MaxAttempts is < 1 or > 1000)
        {
            yield return $"MaxAttempts {MaxAttempts} of the step \"{kind}\" is not allowed; use 1 to 1000 (default 5).";
        }

        if (ParkAfter is < 1 or > 1000)
        {
            yield return $"ParkAfter {ParkAfter} of the step \"{kind}\" is not allowed; use 1 to 1000 (default 25).";
        }
    }
}

internal sealed record PlannedBranch(TransactionBranchAttribute Info, int Stage, StepOptions? Options, Func<JsonSerializerOptions, byte[]> Write);
