using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>What an operator looks at and does. Every action is a guarded statement: it never acts on what was seen before.</summary>
internal sealed partial class JobOperator(
    QueryStore query, JobSearch search, QueueStore queueStore, FairStore fairStore, Control control, Storyteller storyteller, Explainer explainer, Doctor doctor, TimeProvider time) : IJobOperator
{
    private const int MaxPage = 1000;

    public Task<JobList> ListAsync(JobFilter filter, JobPage? page = null, CancellationToken ct = default)
    {
        Check(filter);
        page ??= new JobPage();
        if (page.Limit is < 1 or > MaxPage)
        {
            throw new ArgumentOutOfRangeException(nameof(page), page.Limit, $"The limit {page.Limit} is not allowed; use 1 to {MaxPage} and page with Below.");
        }

        return search.ListAsync(filter, page, ct);
    }

    public async Task<IReadOnlyList<QueueInfo>> QueuesAsync(CancellationToken ct = default) =>
        await fairStore.WithFairnessAsync(await queueStore.WithSettingsAsync(await query.QueuesAsync(ct), ct), ct);

    public Task<IReadOnlyList<SessionInfo>> SessionsAsync(CancellationToken ct = default) => query.SessionsAsync(ct);

    public Task<IReadOnlyList<TimelineEntry>?> TimelineAsync(JobId id, CancellationToken ct = default) => storyteller.TellAsync(id, ct);

    public Task<IReadOnlyList<Explanation>> ExplainAsync(JobId id, CancellationToken ct = default) => explainer.ExplainAsync(id, ct);

    public Task<Diagnosis> DoctorAsync(CancellationToken ct = default) => doctor.ExamineAsync(ct);

    private static void Check(JobFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        if (FilterRule.Fault(filter) is { } fault)
        {
            throw new ArgumentException(fault, nameof(filter));
        }
    }
}
