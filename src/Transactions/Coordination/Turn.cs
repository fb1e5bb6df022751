using System.Text.Json;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Transactions;

/// <summary>
/// The work of a message, or of some that came together, on one transaction: the row is held, the state changes, and the jobs that follow from that are enqueued, or none of it happened. <see cref="StoredTurn"/> does that in Postgres; the model
/// of the tests does it in memory.
/// </summary>
internal abstract class Turn(ILogger log)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private readonly List<Question> _asked = [];
    private readonly HashSet<Guid> _unneeded = [];

    /// <summary>The jobs to be enqueued.</summary>
    protected IReadOnlyList<Question> Asked => _asked;

    /// <summary>Jobs whose outcome does not matter any more.</summary>
    protected IReadOnlyCollection<Guid> Unneeded => _unneeded;

    /// <summary>Something follows from what was heard.</summary>
    public bool HasAsked => _asked.Count > 0 || _unneeded.Count > 0;

    /// <summary>T4: decides, or learns what was decided by somebody else meanwhile. Nobody is told before the commit of this turn.</summary>
    public abstract Task DecideAsync(TransactionRow row, bool commit, string? reason, CancellationToken ct);

    /// <summary>Whether it has been decided, by whoever looks after deadlines.</summary>
    public abstract Task<bool> IsDecidedAsync(TransactionRow row, CancellationToken ct);

    /// <summary>Whether no later attempt of the job than this one was started so far. One that is started from here on waits for this turn.</summary>
    public abstract Task<bool> WasLastAsync(Guid job, int attempt, CancellationToken ct);

    /// <summary>
    /// Asks a branch's participant for something: a job, which waits for the end of the one before, so that the calls for a branch come one after the other. Not if that is at the attempt whose answer was heard:
    /// its call has returned, and another attempt waits for this turn before it looks what is wanted.
    /// </summary>
    public void Ask(TransactionRow row, BranchRow branch, Verb verb)
    {
        _asked.Add(new Question(branch, branch.Job, branch.Answered));
        if (verb == Verb.Abort)
        {
            Forget(branch);
        }

        (branch.Round, branch.Verb, branch.After, branch.Job, branch.Answered, branch.AskedAt) = (branch.Round + 1, verb, branch.Job, JobId.New().Value, null, row.LockedAt);
        branch.State = verb switch { Verb.Prepare => BranchState.Preparing, Verb.Commit => BranchState.Committing, _ => BranchState.Aborting };
    }

    /// <summary>What it was asked to prepare is not needed any more.</summary>
    public void Forget(BranchRow branch)
    {
        if (branch is { State: BranchState.Preparing, Job: { } job })
        {
            _unneeded.Add(job);
        }
    }

    /// <summary>Asks again whom a lost answer, an operator's cancel or a job's last failure has left without a job.</summary>
    public async Task RepairAsync(TransactionRow row, CancellationToken ct)
    {
        var asked = row.Branches.Where(b => b is { IsAsked: true, Job: not null }).ToList();
        var live = await LiveAsync([.. asked.SelectMany(b => new[] { b.Job, b.After }).OfType<Guid>()], ct);
        foreach (var branch in asked)
        {
            if (!live.ContainsKey(branch.Job!.Value))
            {
                log.AskedAgain(row.CorrelationId, branch.Number, branch.Verb!.Value);
                branch.Job = branch.After is { } earlier && live.ContainsKey(earlier) ? earlier : branch.Job; // it still has that one to wait for
                Ask(row, branch, branch.Verb!.Value);
            }
            else if (branch is { State: BranchState.Aborting, After: { } before } && live.ContainsKey(before))
            {
                _unneeded.Add(before);
            }
        }
    }

    /// <summary>The job that asks a branch's participant.</summary>
    public static NewJob Job(TransactionRow row, BranchRow branch, Guid? after) =>
        Job(row.CorrelationId, branch.Job!.Value, branch.Kind, branch.Queue, (byte)row.Priority, branch.Number, branch.Round, branch.Verb!.Value, after);

    public static NewJob Job(Guid transaction, Guid id, string kind, string queue, byte priority, int number, int round, Verb verb, Guid? after) =>
        new(new JobId(id), BranchJob.TypeOf(kind), queue, priority, JsonSerializer.SerializeToUtf8Bytes(new BranchJob(transaction, number, round, verb), Json), null, null,
            after is { } parent ? new Ties { After = [new After(new JobId(parent), Otherwise.Run)] } : null) { Origin = $"transaction {transaction}" };

    /// <summary>With the trace of the span in which it is enqueued.</summary>
    public static NewJob Traced(NewJob job, string? trace) => trace is null ? job : job with { Ties = (job.Ties ?? new Ties()) with { Trace = trace } };

    public static T Read<T>(byte[] arguments) => JsonSerializer.Deserialize<T>(arguments, Json) ?? throw new JsonException("The arguments are null.");

    /// <summary>Those of the jobs that have not ended, and which attempt of them runs.</summary>
    protected abstract Task<Dictionary<Guid, int?>> LiveAsync(IReadOnlyCollection<Guid> jobs, CancellationToken ct);

    /// <summary>The earlier jobs that the asked ones have to wait for.</summary>
    protected async Task<HashSet<Guid>> WaitedForAsync(CancellationToken ct)
    {
        if (!_asked.Exists(a => a.Before is not null))
        {
            return [];
        }

        var live = await LiveAsync([.. _asked.Select(a => a.Before).OfType<Guid>()], ct);
        return [.. from asked in _asked
                   where asked.Before is { } before && live.ContainsKey(before) && !(asked.Answered > 0 && live[before] == asked.Answered)
                   select asked.Before!.Value];
    }

    /// <param name="Branch">Whom a turn asks.</param>
    /// <param name="Before">The job that asked it before.</param>
    /// <param name="Answered">The attempt of that which has answered.</param>
    protected sealed record Question(BranchRow Branch, Guid? Before, int? Answered);
}
