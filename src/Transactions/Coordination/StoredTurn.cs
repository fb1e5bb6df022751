using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>What every turn needs of the process.</summary>
internal sealed record TurnServices(TransactionStore Store, TicketPublisher Tickets, Followers Followers, Ends Ends, IJobOperator Operator, ILogger<Turn> Log, TransactionTelemetry Telemetry);

/// <summary>A turn as one database transaction. What can only be a hint (tickets, cancel requests) follows the commit.</summary>
internal sealed class StoredTurn(TurnServices services, CoordinatorContext context, IDbContextTransaction transaction) : Turn(services.Log), IAsyncDisposable
{
    private readonly Dictionary<Guid, (bool IsLive, int? Running)> _looked = [];
    private readonly List<(string Message, bool Late)> _heard = [];
    private TransactionTelemetry.Before _before;
    private string? _trace;

    /// <summary>The transaction that it holds; null: there is none.</summary>
    public TransactionRow? Row { get; private set; }

    private NpgsqlTransaction Inner => (NpgsqlTransaction)transaction.GetDbTransaction();

    public static async Task<StoredTurn> BeginAsync(TurnServices services, IDbContextFactory<CoordinatorContext> contexts, CancellationToken ct)
    {
        await services.Store.ReadyAsync(ct);
        var context = await contexts.CreateDbContextAsync(ct);
        context.Database.AutoSavepointsEnabled = false; // what fails is rolled back as a whole
        try
        {
            return new StoredTurn(services, context, await context.Database.BeginTransactionAsync(ct));
        }
        catch
        {
            await context.DisposeAsync();
            throw;
        }
    }

    /// <summary>Locks the transaction until the end of the turn and loads it, if there is one.</summary>
    public async Task LockAsync(Guid id, CancellationToken ct)
    {
        if (await services.Store.LockAsync(id, Inner, ct) is not { } held)
        {
            return;
        }

        Row = TransactionRow.Of(id, held);
        _before = new(Row.State, Row.DecidedAt, Row.EndedAt);
        foreach (var branch in held.Branches.Where(b => b.Job is not null))
        {
            _looked.Add(branch.Job!.Value, (branch.IsLive, branch.Running));
        }

        context.Attach(Row); // from here on what changes is what is written
    }

    /// <summary>A message has changed what it wanted to change.</summary>
    public void Heard(string message, bool late)
    {
        _heard.Add((message, late));
        _trace = Traceparent.Current;
    }

    public override async Task DecideAsync(TransactionRow row, bool commit, string? reason, CancellationToken ct)
    {
        var (decision, why) = await services.Store.DecideIfUndecidedAsync(row.CorrelationId, commit ? "commit" : "abort", reason, Inner, ct);
        (row.Commit, row.Reason, row.DecidedAt) = (decision == "commit", why, row.LockedAt);
    }

    public override async Task<bool> IsDecidedAsync(TransactionRow row, CancellationToken ct) => await services.Store.FindDecisionAsync(row.CorrelationId, Inner, ct) is not null;

    public override async Task<bool> WasLastAsync(Guid job, int attempt, CancellationToken ct) => await services.Store.CountAttemptsAsync(job, Inner, ct) == attempt;

    /// <summary>T5: the state and the jobs that follow from it, in one commit; then the hints.</summary>
    public async Task CommitAsync(CancellationToken ct)
    {
        if (Row is null)
        {
            return;
        }

        var waited = await WaitedForAsync(ct);
        List<NewJob> jobs = [.. Asked.Select(a => Job(Row, a.Branch, a.Before is { } before && waited.Contains(before) ? before : null)).Select(j => Traced(j, _trace))];
        await context.SaveChangesAsync(ct);
        var tickets = await services.Store.EnqueueAsync(jobs, Inner, pending: false, ct);
        CrashPoint.Hit("T4");
        await transaction.CommitAsync(ct);
        CrashPoint.Hit("T5");
        services.Telemetry.Handled(Row, _before, _heard);
        try
        {
            await services.Tickets.SendAsync(tickets, ct);
            // A job that ended while this waited for its row; and those who wait for the end of the transaction.
            services.Followers.Tell(new Followed(waited, []));
            if (Row.EndedAt is not null) // also of a message that came again: whoever ended it has perhaps not lived to tell
            {
                services.Ends.Tell(Row.CorrelationId);
            }

            if (Unneeded.Count > 0)
            {
                await services.Operator.CancelAsync(new JobFilter { Ids = [.. Unneeded.Select(c => new JobId(c))] },
                    new Act { By = "coordinator", Reason = $"Transaction {Row.CorrelationId} is aborted." }, ct: ct);
            }
        }
        catch (Exception e)
        {
            services.Log.HintsFailed(Row.CorrelationId, e.Message); // the reconciler and the watch make up for it
        }
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await context.DisposeAsync();
    }

    /// <summary>As it was found when the transaction was locked: an attempt that has been started since waits for this turn.</summary>
    protected override async Task<Dictionary<Guid, int?>> LiveAsync(IReadOnlyCollection<Guid> jobs, CancellationToken ct) => jobs.All(_looked.ContainsKey)
        ? jobs.Distinct().Where(j => _looked[j].IsLive).ToDictionary(j => j, j => _looked[j].Running)
        : await services.Store.LiveAsync(jobs, Inner, ct);
}
