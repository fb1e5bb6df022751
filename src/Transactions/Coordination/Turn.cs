using System.Text.Json;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>What every turn needs of the process.</summary>
internal sealed record TurnServices(TransactionStore Store, TicketPublisher Tickets, Followers Followers, IJobOperator Operator, ILogger<Turn> Log);

/// <summary>
/// One message's work on one transaction, as one database transaction: the row is held, the state changes, and the jobs that follow from that are enqueued, or none of it happened. What can only be a hint
/// (tickets, cancel requests) follows the commit.
/// </summary>
internal sealed class Turn(TurnServices services, CoordinatorContext context, IDbContextTransaction transaction) : IAsyncDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly List<(BranchRow Branch, Guid? Before)> _asked = [];
    private readonly HashSet<Guid> _cancel = [];
    private TransactionRow? _row;
    private bool _ended;

    public static async Task<Turn> BeginAsync(TurnServices services, DbContextOptions<CoordinatorContext> options, CancellationToken ct)
    {
        await services.Store.ReadyAsync(ct);
        var context = new CoordinatorContext(options, services.Store.Schema);
        try
        {
            return new Turn(services, context, await context.Database.BeginTransactionAsync(ct));
        }
        catch
        {
            await context.DisposeAsync();
            throw;
        }
    }

    /// <summary>Locks the transaction until the end of the turn and loads it; null: there is none.</summary>
    public async Task<TransactionRow?> LockAsync(Guid id, CancellationToken ct)
    {
        _row = (await context.Transactions.FromSql(services.Store.Lock(id)).ToListAsync(ct)).SingleOrDefault();
        if (_row is not null)
        {
            await context.Branches.Where(b => b.TransactionId == id).OrderBy(b => b.Number).LoadAsync(ct);
            _row.Branches.Sort((a, b) => a.Number.CompareTo(b.Number));
            _ended = _row.EndedAt is not null;
            _row.Commit = _row.DecidedAt is null ? null : (await services.Store.FindDecisionAsync(id, Inner, ct))?.Decision == "commit";
        }

        return _row;
    }

    /// <summary>T4: decides, or learns what was decided by somebody else meanwhile. Nobody is told before the commit of this turn.</summary>
    public async Task DecideAsync(TransactionRow row, bool commit, string? reason, CancellationToken ct)
    {
        var (decision, why) = await services.Store.DecideIfUndecidedAsync(row.CorrelationId, commit ? "commit" : "abort", reason, Inner, ct);
        (row.Commit, row.Reason, row.DecidedAt) = (decision == "commit", why, row.LockedAt);
    }

    /// <summary>Whether it has been decided, by whoever looks after deadlines.</summary>
    public async Task<bool> IsDecidedAsync(TransactionRow row, CancellationToken ct) => await services.Store.FindDecisionAsync(row.CorrelationId, Inner, ct) is not null;

    /// <summary>Asks a branch's participant for something: a job, which waits for the end of the one before, so that the calls for a branch come one after the other.</summary>
    public void Ask(TransactionRow row, BranchRow branch, Verb verb)
    {
        _asked.Add((branch, branch.Job));
        if (verb == Verb.Abort)
        {
            Forget(branch);
        }

        (branch.Round, branch.Verb, branch.After, branch.Job, branch.AskedAt) = (branch.Round + 1, verb, branch.Job, JobId.New().Value, row.LockedAt);
        branch.State = verb switch { Verb.Prepare => BranchState.Preparing, Verb.Commit => BranchState.Committing, _ => BranchState.Aborting };
    }

    /// <summary>What it was asked to prepare is not needed any more.</summary>
    public void Forget(BranchRow branch)
    {
        if (branch is { State: BranchState.Preparing, Job: { } job })
        {
            _cancel.Add(job);
        }
    }

    /// <summary>Asks again whom a lost answer, an operator's cancel or a job's last failure has left without a job.</summary>
    public async Task RepairAsync(TransactionRow row, CancellationToken ct)
    {
        var asked = row.Branches.Where(b => b is { IsAsked: true, Job: not null }).ToList();
        var live = await services.Store.LiveAsync(asked.SelectMany(b => new[] { b.Job, b.After }).OfType<Guid>(), Inner, ct);
        foreach (var branch in asked)
        {
            if (!live.Contains(branch.Job!.Value))
            {
                services.Log.AskedAgain(row.CorrelationId, branch.Number, branch.Verb!.Value);
                branch.Job = branch.After is { } earlier && live.Contains(earlier) ? earlier : branch.Job; // it still has that one to wait for
                Ask(row, branch, branch.Verb!.Value);
            }
            else if (branch is { State: BranchState.Aborting, After: { } before } && live.Contains(before))
            {
                _cancel.Add(before);
            }
        }
    }

    /// <summary>T5: the state and the jobs that follow from it, in one commit; then the hints.</summary>
    public async Task CommitAsync(CancellationToken ct)
    {
        var live = _asked.Exists(a => a.Before is not null) ? await services.Store.LiveAsync(_asked.Select(a => a.Before).OfType<Guid>(), Inner, ct) : [];
        List<NewJob> jobs = [.. _asked.Select(a => Job(_row!, a.Branch, a.Before is { } before && live.Contains(before) ? before : null))];
        await context.SaveChangesAsync(ct);
        var tickets = await services.Store.EnqueueAsync(jobs, Inner, pending: false, ct);
        CrashPoint.Hit("T4");
        await transaction.CommitAsync(ct);
        CrashPoint.Hit("T5");
        try
        {
            await services.Tickets.SendAsync(tickets, ct);
            // A job that ended while this waited for its row; and those who wait for the end of the transaction.
            services.Followers.Tell(new Followed(_row!.EndedAt is null || _ended ? [.. live] : [.. live, _row.CorrelationId], []));
            if (_cancel.Count > 0)
            {
                await services.Operator.CancelAsync(new JobFilter { Ids = [.. _cancel.Select(c => new JobId(c))] },
                    new Act { By = "coordinator", Reason = $"Transaction {_row!.CorrelationId} is aborted." }, ct: ct);
            }
        }
        catch (Exception e)
        {
            services.Log.HintsFailed(_row!.CorrelationId, e.Message); // the reconciler and the watch make up for it
        }
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await context.DisposeAsync();
    }

    /// <summary>The job that asks a branch's participant.</summary>
    public static NewJob Job(TransactionRow row, BranchRow branch, Guid? after) =>
        Job(row.CorrelationId, branch.Job!.Value, branch.Kind, branch.Queue, (byte)row.Priority, branch.Number, branch.Round, branch.Verb!.Value, after);

    public static NewJob Job(Guid transaction, Guid id, string kind, string queue, byte priority, int number, int round, Verb verb, Guid? after) =>
        new(new JobId(id), BranchJob.TypeOf(kind), queue, priority, JsonSerializer.SerializeToUtf8Bytes(new BranchJob(transaction, number, round, verb), Json), null, null,
            after is { } parent ? new Ties { After = [new After(new JobId(parent), Otherwise.Run)] } : null) { Origin = $"transaction {transaction}" };

    public static NewJob Watch(Guid transaction, TimeSpan delay) =>
        new(JobId.New(), WatchJob.Type, WatchJob.Queue, JobPriority.Normal.Value, JsonSerializer.SerializeToUtf8Bytes(new WatchJob(transaction), Json), delay.TotalSeconds, null)
        { Origin = $"transaction {transaction}" };

    public static T Read<T>(byte[] arguments) => JsonSerializer.Deserialize<T>(arguments, Json) ?? throw new JsonException("The arguments are null.");

    private NpgsqlTransaction Inner => (NpgsqlTransaction)transaction.GetDbTransaction();
}
