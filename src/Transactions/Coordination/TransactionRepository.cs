using MassTransit;
using MassTransit.Context;
using Microsoft.EntityFrameworkCore;

namespace Jobs.Transactions;

/// <summary>
/// Where the state machine finds its transactions: a message is worked on in a <see cref="Turn"/>, with the row locked from the first look to the commit, so that any number of coordinators may work side by side.
/// Messages of one transaction that come while a turn of this process is about to look (the votes of branches that worked at the same time) share it: one lock, one commit, one after the other in the order in
/// which they came, until one of them has somebody asked. None counts as received before that commit.
/// Transactions are made by <see cref="ITransactions.BeginAsync(TransactionPlan, CancellationToken)"/>, and by no message; its insert does nothing where there is one.
/// </summary>
internal sealed class TransactionRepository(TurnServices services) : ISagaRepository<TransactionRow>
{
    private readonly IDbContextFactory<CoordinatorContext> _contexts = CoordinatorContext.Pool(services.Store);
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, List<Sharer>> _open = [];

    public async Task Send<T>(ConsumeContext<T> context, ISagaPolicy<TransactionRow, T> policy, IPipe<SagaConsumeContext<TransactionRow, T>> next)
        where T : class
    {
        var id = context.CorrelationId ?? throw new InvalidOperationException($"A {typeof(T).Name} does not name its transaction.");
        Task HearAsync(StoredTurn turn) => turn.Row is { } row ? TransactionRepository.HearAsync(turn, row, context, policy, next) : policy.Missing(context, next);
        var sharer = new Sharer(HearAsync);
        var joined = Joins(id, sharer);
        if (!joined || !await sharer.Heard)
        {
            await RunAsync(id, HearAsync, shared: !joined, context.CancellationToken);
        }
    }

    public Task SendQuery<T>(ConsumeContext<T> context, ISagaQuery<TransactionRow> query, ISagaPolicy<TransactionRow, T> policy, IPipe<SagaConsumeContext<TransactionRow, T>> next)
        where T : class => throw new NotSupportedException("Messages find their transaction by its id.");

    public void Probe(ProbeContext context) => context.CreateScope("transactions");

    private static async Task HearAsync<T>(StoredTurn turn, TransactionRow row, ConsumeContext<T> context, ISagaPolicy<TransactionRow, T> policy, IPipe<SagaConsumeContext<TransactionRow, T>> next)
        where T : class
    {
        var saga = new DefaultSagaConsumeContext<TransactionRow, T>(context, row);
        saga.GetOrAddPayload<Turn>(() => turn);
        var late = context.Message is BranchReported said && !(row.Branches.Find(b => b.Number == said.Branch) is { IsAsked: true } branch && branch.Round == said.Round);
        var message = context.Message switch { BranchReported => "answer", TransactionTicked => "watch", _ => "order" };
        using var span = TransactionTelemetry.StartTurn(row, message);
        await policy.Existing(saga, next);
        span?.SetTag(Labels.State, row.State.ToLowerInvariant());
        turn.Heard(message, late);
    }

    /// <summary>Whether a turn is about to look that will hear this message, too. If not, that of this message is the one to join from here on.</summary>
    private bool Joins(Guid id, Sharer sharer)
    {
        lock (_gate)
        {
            if (_open.TryGetValue(id, out var sharers))
            {
                sharers.Add(sharer);
                return true;
            }

            _open.Add(id, []);
            return false;
        }
    }

    private async Task RunAsync(Guid id, Func<StoredTurn, Task> hear, bool shared, CancellationToken ct)
    {
        List<Sharer>? sharers = shared ? null : [];
        var (heard, shares, done) = (0, false, false);
        try
        {
            await using var turn = await StoredTurn.BeginAsync(services, _contexts, ct);
            await turn.LockAsync(id, ct);
            sharers ??= Close(id);
            await hear(turn);
            for (; heard < sharers.Count && turn is { Row: not null, HasAsked: false }; heard++)
            {
                shares = true;
                await sharers[heard].HearAsync(turn);
            }

            await turn.CommitAsync(ct);
            done = true;
        }
        catch (Exception e) when (shares && !ct.IsCancellationRequested)
        {
            services.Log.SharedTurnFailed(id, e.Message);
            await RunAsync(id, hear, shared: false, ct); // what another message has broken is not this one's fault; what is its own, it will say again
        }
        finally
        {
            foreach (var (sharer, n) in (sharers ?? Close(id)).Select((s, n) => (s, n)))
            {
                sharer.Tell(done && n < heard);
            }
        }
    }

    private List<Sharer> Close(Guid id)
    {
        lock (_gate)
        {
            _open.Remove(id, out var sharers);
            return sharers!;
        }
    }

    /// <summary>A message that waits for another one's turn.</summary>
    private sealed class Sharer(Func<StoredTurn, Task> hear)
    {
        private readonly TaskCompletionSource<bool> _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>It was heard and committed; false: it needs a turn of its own.</summary>
        public Task<bool> Heard => _heard.Task;

        public Task HearAsync(StoredTurn turn) => hear(turn);

        public void Tell(bool heard) => _heard.SetResult(heard);
    }
}
