using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>Gathers what the story of a job is made of.</summary>
internal sealed class Storyteller(QueryStore query, StoryStore store)
{
    /// <summary>More jobs that it waited for would only be a long list.</summary>
    private const int MostParents = 50;

    public async Task<IReadOnlyList<TimelineEntry>?> TellAsync(JobId id, CancellationToken ct)
    {
        if (await query.GetAsync(id, ct) is not { } job)
        {
            return null;
        }

        var sessions = job.Events.Select(e => e.Session).Concat(job.Errors.Select(e => e.Session)).Append(job.Session).OfType<Guid>().Distinct();
        return Timeline.Of(job, await store.FindSessionsAsync(sessions, ct), await store.FindStatesAsync([.. job.After.Take(MostParents)], ct));
    }
}
