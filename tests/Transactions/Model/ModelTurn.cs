using System.Collections.Concurrent;
using System.Reflection;
using Jobs.Transactions;
using MassTransit;
using MassTransit.Context;
using Microsoft.Extensions.Logging.Abstractions;

namespace Jobs.Tests.Transactions;

/// <summary>A turn in memory: what it wrote counts once the world takes it over. Others act meanwhile, at each of its statements.</summary>
internal sealed class ModelTurn(World world, TransactionRow row) : Turn(NullLogger.Instance)
{
    private static readonly Coordinator Machine = new();

    public TransactionRow Row => row;

    /// <summary>Decided in this turn, and not committed yet: others who want to decide wait for it.</summary>
    public bool? Decided { get; private set; }

    public async Task HearAsync(object message)
    {
        switch (message)
        {
            case BranchReported reported:
                await RaiseAsync(reported, Machine.Reported);
                break;
            case TransactionTicked ticked:
                await RaiseAsync(ticked, Machine.Ticked);
                break;
            case TransactionOrdered ordered:
                await RaiseAsync(ordered, Machine.Ordered);
                break;
        }
    }

    public override Task DecideAsync(TransactionRow row, bool commit, string? reason, CancellationToken ct)
    {
        world.Meanwhile(this);
        if (world.Decision is null)
        {
            Decided = commit;
        }

        (row.Commit, row.Reason, row.DecidedAt) = (world.Decision ?? commit, reason, row.LockedAt);
        return Task.CompletedTask;
    }

    public override Task<bool> IsDecidedAsync(TransactionRow row, CancellationToken ct)
    {
        world.Meanwhile(this);
        return Task.FromResult(world.Decision is not null);
    }

    public override Task<bool> WasLastAsync(Guid job, int attempt, CancellationToken ct)
    {
        world.Meanwhile(this);
        var last = world.Started[job] == attempt;
        world.Meanwhile(this);
        return Task.FromResult(last);
    }

    /// <summary>The jobs that follow, with those they wait for.</summary>
    public async Task<List<ModelJob>> JobsAsync()
    {
        var waited = await WaitedForAsync(default);
        return [.. Asked.Select(a => new ModelJob(a.Branch.Job!.Value, a.Branch.Number, a.Branch.Round, a.Branch.Verb!.Value, a.Before is { } before && waited.Contains(before) ? before : null))];
    }

    public IReadOnlyCollection<Guid> Cancelled => Unneeded;

    protected override Task<Dictionary<Guid, int?>> LiveAsync(IReadOnlyCollection<Guid> jobs, CancellationToken ct)
    {
        world.Meanwhile(this);
        var live = jobs.Distinct().Where(world.Jobs.ContainsKey).ToDictionary(j => j, j => world.Jobs[j].Runs ? world.Jobs[j].Attempt : (int?)null);
        world.Meanwhile(this);
        return Task.FromResult(live);
    }

    private Task RaiseAsync<T>(T message, Event<T> what)
        where T : class
    {
        var nowhere = DispatchProxy.Create<ConsumeContext, Nowhere>();
        ((Nowhere)nowhere).Turn = this;
        var heard = new MessageConsumeContext<T>(nowhere, message);
        var saga = new DefaultSagaConsumeContext<TransactionRow, T>(heard, row);
        return ((StateMachine<TransactionRow>)Machine).RaiseEvent(new MassTransitStateMachine<TransactionRow>.BehaviorContextProxy<T>(Machine, saga, heard, what));
    }

    /// <summary>The message came by no transport: there is nothing to know of it but the turn.</summary>
    internal class Nowhere : DispatchProxy
    {
        private static readonly ConcurrentDictionary<Type, object> Made = [];

        public virtual Turn? Turn { get; set; } // virtual: DispatchProxy derives from this class

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod!.Name == nameof(PipeContext.TryGetPayload) && targetMethod.GetGenericArguments()[0] == typeof(Turn))
            {
                args![0] = Turn;
                return true;
            }

            return targetMethod.ReturnType switch
            {
                { IsInterface: true } type => Made.GetOrAdd(type, t => Create(t, typeof(Nowhere))),
                { IsValueType: true } type when type != typeof(void) => Activator.CreateInstance(type),
                _ => null,
            };
        }
    }
}
