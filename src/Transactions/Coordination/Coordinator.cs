using MassTransit;

namespace Jobs.Transactions;

/// <summary>
/// What becomes of a transaction, as a chart: docs/TRANSACTIONS.md draws it. Each message is one commit (<see cref="Turn"/>), may come twice, late or out of order, and is dropped where it says nothing new.
/// </summary>
internal sealed class Coordinator : MassTransitStateMachine<TransactionRow>
{
    public Coordinator()
    {
        InstanceState(t => t.State);
        Event(() => Reported, e =>
        {
            e.CorrelateById(m => m.Message.TransactionId);
            e.OnMissingInstance(m => m.Discard());
        });
        Event(() => Ticked, e =>
        {
            e.CorrelateById(m => m.Message.TransactionId);
            e.OnMissingInstance(m => m.Discard());
        });
        Event(() => Ordered, e =>
        {
            e.CorrelateById(m => m.Message.TransactionId);
            e.OnMissingInstance(m => m.Discard());
        });

        During(Running,
            Judged(When(Reported).ThenAsync(HearAsync)),
            Judged(When(Ticked).ThenAsync(LookAsync)),
            Judged(When(Ordered).Then(Obey)));
        WhenEnter(Running, b => Judged(b));

        During(Committing,
            Went(When(Reported).ThenAsync(HearAsync), BranchState.Committed, () => Committed),
            Went(When(Ticked).ThenAsync(RepairAsync), BranchState.Committed, () => Committed),
            Ignore(Ordered));
        WhenEnter(Committing, b => b.Then(c => Protocol.AskToCommit(c.Saga, Of(c))).If(c => c.Saga.IsDone(BranchState.Committed), x => x.TransitionTo(Committed)));

        During(Aborting,
            Went(When(Reported).ThenAsync(HearAsync), BranchState.Aborted, () => Aborted),
            Went(When(Ticked).ThenAsync(RepairAsync), BranchState.Aborted, () => Aborted),
            Went(When(Ordered).Then(Obey), BranchState.Aborted, () => Aborted));
        WhenEnter(Aborting, b => b.Then(c => Protocol.AskToAbort(c.Saga, Of(c)))
            .If(c => c.Saga.IsDone(BranchState.Aborted), x => x.TransitionTo(Aborted))
            .If(c => c.Saga.IsStuck, x => x.TransitionTo(Parked)));

        During(Parked,
            When(Ordered).Then(Obey)
                .If(c => !c.Saga.IsStuck && c.Saga.Commit is null, b => b.TransitionTo(Running))
                .If(c => !c.Saga.IsStuck && c.Saga.Commit == false, b => b.TransitionTo(Aborting)),
            When(Reported).ThenAsync(HearAsync),
            When(Ticked).ThenAsync(LearnAsync).If(c => c.Saga.Commit == false, b => b.TransitionTo(Aborting)));

        During(Committed, Aborted, Ignore(Reported), Ignore(Ticked), Ignore(Ordered));
        WhenEnter(Committed, b => b.Then(c => c.Saga.EndedAt = c.Saga.LockedAt));
        WhenEnter(Aborted, b => b.Then(c => c.Saga.EndedAt = c.Saga.LockedAt));
    }

    public State Running { get; private set; } = null!;

    public State Committing { get; private set; } = null!;

    public State Aborting { get; private set; } = null!;

    public State Committed { get; private set; } = null!;

    public State Aborted { get; private set; } = null!;

    public State Parked { get; private set; } = null!;

    public Event<BranchReported> Reported { get; private set; } = null!;

    public Event<TransactionTicked> Ticked { get; private set; } = null!;

    public Event<TransactionOrdered> Ordered { get; private set; } = null!;

    /// <summary>Undecided: is it decidable now? If not, the next stage may begin, or it waits for an operator.</summary>
    private EventActivityBinder<TransactionRow, T> Judged<T>(EventActivityBinder<TransactionRow, T> heard)
        where T : class => heard.ThenAsync(c => Protocol.JudgeAsync(c.Saga, Of(c), c.CancellationToken))
            .If(c => c.Saga.Commit == true, b => b.TransitionTo(Committing))
            .If(c => c.Saga.Commit == false, b => b.TransitionTo(Aborting))
            .If(c => c.Saga.Commit is null && c.Saga.IsStuck, b => b.TransitionTo(Parked));

    private EventActivityBinder<TransactionRow> Judged(EventActivityBinder<TransactionRow> entered) =>
        entered.ThenAsync(c => Protocol.JudgeAsync(c.Saga, Of(c), c.CancellationToken))
            .If(c => c.Saga.Commit == true, b => b.TransitionTo(Committing))
            .If(c => c.Saga.Commit == false, b => b.TransitionTo(Aborting))
            .If(c => c.Saga.Commit is null && c.Saga.IsStuck, b => b.TransitionTo(Parked));

    /// <summary>Decided: has the last branch done it? If not, the stage before may be undone now, or it waits for an operator.</summary>
    private EventActivityBinder<TransactionRow, T> Went<T>(EventActivityBinder<TransactionRow, T> heard, BranchState end, Func<State> ended)
        where T : class => heard.Then(c =>
            {
                if (end == BranchState.Aborted)
                {
                    Protocol.AskToAbort(c.Saga, Of(c));
                }
            })
            .If(c => c.Saga.IsDone(end), b => b.TransitionTo(ended()))
            .If(c => !c.Saga.IsDone(end) && c.Saga.IsStuck, b => b.TransitionTo(Parked));

    private static Task HearAsync(BehaviorContext<TransactionRow, BranchReported> c) => Protocol.HearAsync(c.Saga, c.Message, Of(c), c.CancellationToken);

    private static void Obey(BehaviorContext<TransactionRow, TransactionOrdered> c) => Protocol.Obey(c.Saga, c.Message, Of(c));

    private static async Task LookAsync(BehaviorContext<TransactionRow, TransactionTicked> c)
    {
        if (c.Saga.IsOverdue || await Of(c).IsDecidedAsync(c.Saga, c.CancellationToken))
        {
            await Of(c).DecideAsync(c.Saga, commit: false, "It was not decided by its deadline.", c.CancellationToken);
        }
        else
        {
            await RepairAsync(c);
        }
    }

    /// <summary>Parked and undecided: has an operator decided to abort?</summary>
    private static async Task LearnAsync(BehaviorContext<TransactionRow, TransactionTicked> c)
    {
        if (c.Saga.Commit is null && await Of(c).IsDecidedAsync(c.Saga, c.CancellationToken))
        {
            await Of(c).DecideAsync(c.Saga, commit: false, null, c.CancellationToken);
        }
    }

    private static Task RepairAsync(BehaviorContext<TransactionRow, TransactionTicked> c) => Of(c).RepairAsync(c.Saga, c.CancellationToken);

    private static Turn Of(BehaviorContext<TransactionRow> c) => c.GetPayload<Turn>();
}
