using Jobs.Postgres;
using MassTransit;

namespace Jobs.Transactions;

/// <summary>A transaction as the coordinator works on it: a row that it holds locked, with its branches.</summary>
internal sealed class TransactionRow : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public required string Name { get; init; }

    public required TransactionMode Mode { get; init; }

    /// <summary>The name of a state of <see cref="Coordinator"/>.</summary>
    public required string State { get; set; }

    public required short Priority { get; init; }

    public required DateTimeOffset DeadlineAt { get; set; }

    public DateTimeOffset? DecidedAt { get; set; }

    public DateTimeOffset? EndedAt { get; set; }

    public string? Reason { get; set; }

    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>W3C traceparent of the span that began it.</summary>
    public string? Trace { get; init; }

    /// <summary>The database's time of this turn.</summary>
    public required DateTimeOffset LockedAt { get; init; }

    public List<BranchRow> Branches { get; } = [];

    /// <summary>What was decided, as far as a coordinator knows; null: nothing yet. The row of the decision counts, and the state follows from it in the same commit.</summary>
    public bool? Commit { get; set; }

    public bool IsOverdue => LockedAt >= DeadlineAt;

    public bool IsDone(BranchState end) => Branches.TrueForAll(b => b.State == end);

    /// <summary>What was decided is seen in the state: nobody is parked while it commits.</summary>
    public void Recall() => Commit = DecidedAt is null ? null : State is nameof(Coordinator.Committing) or nameof(Coordinator.Committed);

    /// <summary>What the store has found and holds.</summary>
    public static TransactionRow Of(Guid id, HeldTransaction held)
    {
        var row = new TransactionRow
        {
            CorrelationId = id,
            Name = held.Name,
            Mode = StateWords.Read<TransactionMode>(held.Mode),
            State = StateOf(held.State),
            Priority = held.Priority,
            DeadlineAt = held.DeadlineAt,
            DecidedAt = held.DecidedAt,
            EndedAt = held.EndedAt,
            Reason = held.Reason,
            CreatedAt = held.CreatedAt,
            Trace = held.Trace,
            LockedAt = held.LockedAt,
        };
        row.Recall();
        row.Branches.AddRange(held.Branches.Select(b => BranchRow.Of(id, b)));
        return row;
    }

    /// <summary>The state machine's name of a state of the table.</summary>
    public static string StateOf(string word) => StateWords.Read<TransactionState>(word).ToString();

    /// <summary>Nobody is asked any more, and somebody waits for an operator.</summary>
    public bool IsStuck => Branches.Exists(b => b.State == BranchState.Parked) && !Branches.Exists(b => b.IsAsked);
}

/// <summary>One branch of it.</summary>
internal sealed class BranchRow
{
    public required Guid TransactionId { get; init; }

    public required int Number { get; init; }

    public required int Stage { get; init; }

    public required string Kind { get; init; }

    public required string Queue { get; init; }

    /// <summary>Something has to be undone if it is aborted.</summary>
    public required bool Compensated { get; set; }

    public required BranchState State { get; set; }

    public required int Round { get; set; }

    public required Verb? Verb { get; set; }

    public required Guid? Job { get; set; }

    public required Guid? After { get; set; }

    /// <summary>The attempt of <see cref="Job"/> that has answered.</summary>
    public int? Answered { get; set; }

    public string? Reason { get; set; }

    public DateTimeOffset? AskedAt { get; set; }

    public DateTimeOffset? VotedAt { get; set; }

    public DateTimeOffset? EndedAt { get; set; }

    /// <summary>It was asked for something, and has not answered.</summary>
    public bool IsAsked => State is BranchState.Preparing or BranchState.Committing or BranchState.Aborting;

    public static BranchRow Of(Guid transaction, HeldBranch held) => new()
    {
        TransactionId = transaction,
        Number = held.Number,
        Stage = held.Stage,
        Kind = held.Kind,
        Queue = held.Queue,
        Compensated = held.Compensated,
        State = StateWords.Read<BranchState>(held.State),
        Round = held.Round,
        Verb = held.Verb is null ? null : StateWords.Read<Verb>(held.Verb),
        Job = held.Job,
        After = held.After,
        Answered = held.Answered,
        Reason = held.Reason,
        AskedAt = held.AskedAt,
        VotedAt = held.VotedAt,
        EndedAt = held.EndedAt,
    };
}
