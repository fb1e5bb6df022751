using Jobs.Transactions;
using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Jobs;

/// <summary>What one process does for transactions that span services: the participants its worker runs, and whether it coordinates.</summary>
public sealed class TransactionsOptions
{
    private const int DefaultConcurrency = 16;

    private readonly IServiceCollection _services;
    private readonly Dictionary<string, HandlerEntry> _entries = [];
    private readonly SortedSet<string> _queues = new(StringComparer.Ordinal);

    internal TransactionsOptions(IServiceCollection services) => _services = services;

    /// <summary>How often a transaction is looked after, at first; tests make it short.</summary>
    internal TimeSpan WatchEvery { get; set; } = TimeSpan.FromSeconds(30);

    internal int Coordinators { get; private set; }

    internal IReadOnlyCollection<HandlerEntry> Entries => _entries.Values;

    internal IReadOnlyCollection<string> Queues => _queues;

    /// <summary>How failed calls of participants are tried again by default: after 0.2 s, doubling to 1 min, give or take 10 %.</summary>
    public static RetryPolicy DefaultRetry { get; } = new(1000, n => TimeSpan.FromSeconds(Math.Min(60, 0.2 * Math.Pow(2, Math.Min(n, 20) - 1))));

    /// <summary>This process's worker runs the two-phase branches of <typeparamref name="TBranch"/> with this participant, made anew in a DI scope of its own for each call.</summary>
    /// <param name="retry">How failed calls are tried again. Its number of attempts does not count: that is for the plan to say. Default <see cref="DefaultRetry"/>.</param>
    /// <exception cref="InvalidOperationException">The record has no valid <see cref="TransactionBranchAttribute"/>, or its kind is taken already.</exception>
    public TransactionsOptions Participant<TBranch, TParticipant>(RetryPolicy? retry = null)
        where TParticipant : class, ITransactionParticipant<TBranch> => Add<TBranch, TParticipant>(TransactionMode.TwoPhase, retry, new Calls<TBranch>(
            (scope, branch, context, ct) => scope.GetRequiredService<TParticipant>().PrepareAsync(branch, context, ct),
            (scope, branch, context, ct) => scope.GetRequiredService<TParticipant>().CommitAsync(branch, context, ct),
            (scope, branch, context, ct) => scope.GetRequiredService<TParticipant>().AbortAsync(branch, context, ct)));

    /// <summary>This process's worker runs the steps of <typeparamref name="TStep"/> in sagas with this one, made anew in a DI scope of its own for each call.</summary>
    /// <inheritdoc cref="Participant{TBranch, TParticipant}"/>
    public TransactionsOptions Step<TStep, TSagaStep>(RetryPolicy? retry = null)
        where TSagaStep : class, ISagaStep<TStep> => Add<TStep, TSagaStep>(TransactionMode.Saga, retry, new Calls<TStep>(
            (scope, step, context, ct) => scope.GetRequiredService<TSagaStep>().RunAsync(step, context, ct),
            (_, _, _, _) => Task.FromException(new InvalidOperationException("A step of a saga is never asked to commit.")),
            (scope, step, context, ct) => scope.GetRequiredService<TSagaStep>().CompensateAsync(step, context, ct)));

    /// <summary>This process decides: it hears the participants, and asks them. At least one process of an installation must; two or more, so that one may fail.</summary>
    /// <param name="concurrency">How many transactions it works on at once: 1 to 1,000. Default 16. Each takes a connection to Postgres for a few milliseconds.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number that is not allowed.</exception>
    public TransactionsOptions Coordinator(int concurrency = DefaultConcurrency)
    {
        Coordinators = concurrency is >= 1 and <= 1000 ? concurrency
            : throw new ArgumentOutOfRangeException(nameof(concurrency), concurrency, $"The concurrency {concurrency} of the coordinator is not allowed; use 1 to 1000 (default {DefaultConcurrency}).");
        return this;
    }

    private TransactionsOptions Add<TBranch, THandler>(TransactionMode mode, RetryPolicy? retry, Calls<TBranch> calls)
        where THandler : class
    {
        var info = BranchKind<TBranch>.Info;
        if (!_entries.TryAdd(info.Kind, new BranchEntry<TBranch>(info.Kind, mode, retry is null ? DefaultRetry : new RetryPolicy(1000, retry.DelayAfter, jitter: 0), calls)))
        {
            throw new InvalidOperationException($"The kind \"{info.Kind}\" has a participant already; {typeof(THandler).Name} cannot be a second one.");
        }

        _queues.Add(info.Queue);
        _services.TryAddScoped<THandler>();
        return this;
    }
}
