using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>Limits as apps and operators see them. It writes rows; claims keep to them.</summary>
internal sealed class JobLimits(LimitStore store, Control control, Admissions admissions) : IJobLimits
{
    public async Task SetAsync(JobLimit limit, Act? act = null, CancellationToken ct = default)
    {
        LimitRules.Check(limit);
        var doer = control.DoerOf(act);
        await store.SetAsync(limit, "operator", doer.By, doer.Reason, ct);
        await admissions.AdmitAllAsync(ct); // it may be higher now
    }

    public async Task<bool> RemoveAsync(string name, CancellationToken ct = default)
    {
        NameRule.Check(name, "limit's name");
        var removed = await store.RemoveAsync(name, ct);
        await admissions.AdmitAllAsync(ct);
        return removed;
    }
}
