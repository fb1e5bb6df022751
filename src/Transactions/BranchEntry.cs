using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Jobs.Postgres;
using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Jobs.Transactions;

/// <summary>
/// Runs the jobs of one kind of branch: looks whether it is still wanted, asks the participant, reports the answer, and only then lets the job end. A crash anywhere before that repeats all of it.
/// </summary>
internal sealed class BranchEntry<TBranch>(string kind, TransactionMode mode, RetryPolicy retry, Calls<TBranch> calls) : HandlerEntry(BranchJob.TypeOf(kind), retry, timeout: null)
{
    private JsonTypeInfo<TBranch>? _json;

    public override async Task<JobOutcome> RunAsync(IServiceProvider scope, byte[] arguments, JsonSerializerOptions json, JobContext context, CancellationToken ct)
    {
        var job = Turn.Read<BranchJob>(arguments);
        var log = scope.GetRequiredService<ILogger<Turn>>();
        var row = await scope.GetRequiredService<TransactionStore>().FindBranchAsync(job.Transaction, job.Branch, context.Attempt > 1, ct);
        if (row is null || row.Round != job.Round || row.Job != context.Id.Value) // also a copy of the job, made by hand: its attempts are numbered anew, and a fence must not
        {
            log.Stale(job.Transaction, job.Branch, job.Round);
            return JobOutcome.Succeeded;
        }

        var call = new BranchContext(new TransactionId(job.Transaction), job.Branch, kind, BranchContext.FenceOf(job.Round, context.Attempt), context.Attempt);
        BranchReported report;
        CrashPoint.Hit("T2");
        try
        {
            if (StateWords.Read<TransactionMode>(row.Mode) != mode)
            {
                report = Report(job, context.Attempt, Unfit(job.Verb), $"\"{kind}\" has {(mode == TransactionMode.Saga ? "a step of sagas" : "a participant of two-phase transactions")} here, and cannot take part in the other kind.");
                await scope.GetRequiredService<Bus>().SendAsync(report, ct);
                return JobOutcome.Succeeded;
            }

            var branch = Read(row.Arguments, json);
            var vote = await AskAsync(scope, job.Verb, branch, call, ct);
            report = Report(job, context.Attempt, vote.IsYes ? Answer.Done : Answer.Refused, vote.Reason);
        }
        catch (Exception e) when (!ct.IsCancellationRequested && GivesUp(job.Verb, row, context.Failures + 1) is { } answer)
        {
            log.GaveUp(job.Transaction, job.Branch, context.Failures + 1, job.Verb, answer, e.Message);
            report = Report(job, context.Attempt, answer, $"{e.GetType().FullName}: {e.Message}");
        }

        CrashPoint.Hit("T7");
        await scope.GetRequiredService<Bus>().SendAsync(report, ct);
        CrashPoint.Hit("T3");
        return JobOutcome.Succeeded;
    }

    private async Task<Vote> AskAsync(IServiceProvider scope, Verb verb, TBranch branch, BranchContext call, CancellationToken ct)
    {
        switch (verb)
        {
            case Verb.Prepare:
                return await calls.Prepare(scope, branch, call, ct) ?? throw new InvalidOperationException($"The participant of \"{kind}\" has returned null instead of a vote.");
            case Verb.Commit:
                await calls.Commit(scope, branch, call, ct);
                return Vote.Yes;
            default:
                await calls.Abort(scope, branch, call, ct);
                return Vote.Yes;
        }
    }

    /// <summary>What is reported of the n-th failed attempt; null: it is tried again.</summary>
    private static Answer? GivesUp(Verb verb, BranchToDo row, int failures) =>
        verb == Verb.Prepare && failures >= row.MaxAttempts ? Answer.Failed
        : failures >= row.ParkAfter && (verb == Verb.Abort || row.MaxAttempts is null) ? Answer.Stuck
        : null;

    /// <exception cref="InvalidOperationException">Another worker has prepared it: this one cannot finish that, and leaves it to a later try.</exception>
    private Answer Unfit(Verb verb) => verb == Verb.Prepare ? Answer.Unfit
        : throw new InvalidOperationException($"\"{kind}\" was prepared where it has another kind of participant than here; deploy one version of it.");

    private static BranchReported Report(BranchJob job, int attempt, Answer answer, string? reason) =>
        new(job.Transaction, job.Branch, job.Round, answer, reason?.Length > Vote.MaxReason ? reason[..Vote.MaxReason] : reason, attempt);

    private TBranch Read(byte[] arguments, JsonSerializerOptions json)
    {
        try
        {
            return JsonSerializer.Deserialize(arguments, _json ??= (JsonTypeInfo<TBranch>)json.GetTypeInfo(typeof(TBranch))) ?? throw new JsonException("The payload is null.");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new BadArgumentsException($"The payload of this \"{kind}\" branch does not fit {typeof(TBranch).Name}: {e.Message} It is tried again: deploy a worker that can read it.", e);
        }
    }
}

/// <summary>The three verbs of a participant or a step.</summary>
internal sealed record Calls<TBranch>(
    Func<IServiceProvider, TBranch, BranchContext, CancellationToken, Task<Vote>> Prepare,
    Func<IServiceProvider, TBranch, BranchContext, CancellationToken, Task> Commit,
    Func<IServiceProvider, TBranch, BranchContext, CancellationToken, Task> Abort);
