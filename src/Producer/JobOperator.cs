using Jobs.Postgres;
using Microsoft.Extensions.Options;

namespace Jobs.Producer;

/// <summary>What an operator looks at and does. Every action is a guarded statement: it never acts on what was seen before.</summary>
internal sealed partial class JobOperator(QueryStore query, QueueStore queueStore, IOptions<JobsOptions> options, TimeProvider time) : IJobOperator
{
    private const int MaxPage = 1000;
    private const int MaxIds = 1000;

    public Task<IReadOnlyList<JobInfo>> ListAsync(JobFilter filter, JobPage? page = null, CancellationToken ct = default)
    {
        Check(filter);
        page ??= new JobPage();
        if (page.Limit is < 1 or > MaxPage)
        {
            throw new ArgumentOutOfRangeException(nameof(page), page.Limit, $"The limit {page.Limit} is not allowed; use 1 to {MaxPage} and page with Below.");
        }

        return query.ListAsync(filter, page, ct);
    }

    public async Task<IReadOnlyList<QueueInfo>> QueuesAsync(CancellationToken ct = default) => await queueStore.WithSettingsAsync(await query.QueuesAsync(ct), ct);

    public Task<IReadOnlyList<SessionInfo>> SessionsAsync(CancellationToken ct = default) => query.SessionsAsync(ct);

    private static void Check(JobFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        if (filter.Ids.Count > MaxIds)
        {
            throw new ArgumentException($"The filter names {filter.Ids.Count} jobs; at most {MaxIds} are allowed in one call.", nameof(filter));
        }
    }
}
