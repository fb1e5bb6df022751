using Jobs.Postgres;
using Microsoft.Extensions.Options;

namespace Jobs.Producer;

/// <summary>Says why a job is where it is and when it goes on. The one list of reasons: whatever else may hold a job back adds its method to <see cref="Reasons"/> and its line here.</summary>
internal sealed class Explainer(QueryStore query, StoryStore store, FairStore fair, Reasons reasons, LimitReasons limits, BranchReasons branches, IOptions<JobsOptions> options)
{
    private delegate Task<Explanation?> Reason(Case job, CancellationToken ct);

    /// <summary>So many tickets of a queue are read at most: about 0.1 s.</summary>
    private const int MostTickets = 100_000;

    /// <summary>Most important first; those that do not apply say nothing.</summary>
    private Reason[] For(JobState state) => state switch
    {
        JobState.Pending => [Of(Reasons.NoScheduler), Of(Reasons.NoLeader), Of(Reasons.Pending), Of(Reasons.Expires)],
        JobState.Scheduled => [Of(Reasons.DueLater), Of(Reasons.NoScheduler), Of(Reasons.NoLeader), Of(Reasons.DueNow), Of(Reasons.Expires)],
        JobState.Blocked => [limits.LimitedAsync, reasons.HeldAsync, reasons.WaitsForAsync, Of(Reasons.DueLater), Of(Reasons.Expires)],
        JobState.Queued =>
        [
            Of(Reasons.Paused), reasons.NoWorkerAsync, reasons.NoHandlerAsync, reasons.AheadAsync, Of(Reasons.Busy), Of(Reasons.Ticket),
            Of(Reasons.NoScheduler), Of(Reasons.NoLeader), Of(Reasons.Expires),
        ],
        JobState.Running => [Of(Reasons.Cancelling), Of(Reasons.WorkerGone), Of(LimitReasons.Permitted), Of(Reasons.Running)],
        _ => [Of(Reasons.Ended), reasons.RetriedAsAsync],
    };

    public async Task<IReadOnlyList<Explanation>> ExplainAsync(JobId id, CancellationToken ct)
    {
        if (await query.GetAsync(id, ct) is not { } job)
        {
            return [new("not-found", $"There is no job {id}: it never was, its transaction is not committed or was rolled back, or it ended longer ago than history is kept.")];
        }

        var (now, processes) = await store.SceneAsync(job.Queue, job.Type, ct);
        var scene = new Case(job, now, processes, options.Value.SessionTtl);
        if (job.State == JobState.Queued)
        {
            scene = scene with { Queue = await store.QueueAsync(job.Queue, ct), Line = await store.LineAsync(job.Queue, job.Id, MostTickets, ct), Turn = await fair.TurnAsync(job.Id, MostTickets, ct) };
        }

        var found = new List<Explanation>();
        foreach (var reason in For(job.State).Append(branches.BranchAsync))
        {
            if (await reason(scene, ct) is { } explanation)
            {
                found.Add(explanation);
            }
        }

        return found;
    }

    /// <summary>A reason that needs no further look.</summary>
    private static Reason Of(Func<Case, Explanation?> reason) => (scene, _) => Task.FromResult(reason(scene));
}
