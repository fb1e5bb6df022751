using MassTransit;
using MassTransit.Context;
using Microsoft.EntityFrameworkCore;

namespace Jobs.Transactions;

/// <summary>
/// Where the state machine finds its transactions: one message is one <see cref="Turn"/>, with the row locked from the first look to the commit, so that any number of coordinators may work side by side.
/// Transactions are made by <see cref="ITransactions.BeginAsync(TransactionPlan, CancellationToken)"/>, and by no message; its insert does nothing where there is one.
/// </summary>
internal sealed class TransactionRepository(TurnServices services) : ISagaRepository<TransactionRow>
{
    private readonly IDbContextFactory<CoordinatorContext> _contexts = CoordinatorContext.Pool(services.Store);

    public async Task Send<T>(ConsumeContext<T> context, ISagaPolicy<TransactionRow, T> policy, IPipe<SagaConsumeContext<TransactionRow, T>> next)
        where T : class
    {
        var id = context.CorrelationId ?? throw new InvalidOperationException($"A {typeof(T).Name} does not name its transaction.");
        await using var turn = await StoredTurn.BeginAsync(services, _contexts, context.CancellationToken);
        if (await turn.LockAsync(id, context.CancellationToken) is not { } row)
        {
            await policy.Missing(context, next);
            return;
        }

        var saga = new DefaultSagaConsumeContext<TransactionRow, T>(context, row);
        saga.GetOrAddPayload<Turn>(() => turn);
        var late = context.Message is BranchReported said && !(row.Branches.Find(b => b.Number == said.Branch) is { IsAsked: true } branch && branch.Round == said.Round);
        var message = context.Message switch { BranchReported => "answer", TransactionTicked => "watch", _ => "order" };
        using var span = TransactionTelemetry.StartTurn(row, message);
        await policy.Existing(saga, next);
        span?.SetTag(Labels.State, row.State.ToLowerInvariant());
        await turn.CommitAsync(message, late, context.CancellationToken);
    }

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TransactionRow> query, ISagaPolicy<TransactionRow, T> policy, IPipe<SagaConsumeContext<TransactionRow, T>> next)
        where T : class => throw new NotSupportedException("Messages find their transaction by its id.");

    public void Probe(ProbeContext context) => context.CreateScope("transactions");
}
