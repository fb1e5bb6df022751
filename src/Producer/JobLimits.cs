using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>Limits as apps and operators see them. It writes rows; claims keep to them.</summary>
internal sealed class JobLimits(LimitStore store, LimitQuery query, Control control, Admissions admissions) : IJobLimits
{
    private const int MostGates = 1000;

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

    public Task SetKeyAsync(string name, string keyValue, int? slots = null, double? tokens = null, CancellationToken ct = default)
    {
        LimitRules.CheckKey(name, keyValue, slots, tokens);
        return WriteKeyAsync(name, keyValue, slots, tokens, ct);
    }

    public Task<bool> ClearKeyAsync(string name, string keyValue, CancellationToken ct = default)
    {
        LimitRules.CheckValue(name, keyValue);
        return WriteKeyAsync(name, keyValue, null, null, ct);
    }

    public async Task<int> ResumeAsync(string name, string? keyValue = null, CancellationToken ct = default)
    {
        LimitRules.CheckValue(name, keyValue ?? "");
        var resumed = await store.ResumeAsync(name, keyValue, ct);
        if (resumed > 0)
        {
            await admissions.AdmitAllAsync(ct);
            return resumed;
        }

        var limit = (await query.ListAsync(name, ct)).SingleOrDefault() ?? throw await UnknownAsync(name, ct);
        return keyValue is not null && limit.Limit.Key is null ? throw Keyless(name) : 0;
    }

    public async Task<IReadOnlyList<LimitInfo>> ListAsync(CancellationToken ct = default) => await query.ListAsync(null, ct);

    public async Task<LimitInfo?> GetAsync(string name, string? keyValue = null, int most = 10, CancellationToken ct = default)
    {
        LimitRules.CheckValue(name, keyValue ?? "");
        if (most is < 1 or > MostGates)
        {
            throw new ArgumentOutOfRangeException(nameof(most), most, $"The number {most} is not allowed; use 1 to {MostGates:N0}.");
        }

        return (await query.ListAsync(name, ct)).SingleOrDefault() is not { } limit ? null
            : keyValue is not null && limit.Limit.Key is null ? throw Keyless(name)
            : limit with { Gates = await query.GatesAsync(name, keyValue, most, ct) };
    }

    private async Task<bool> WriteKeyAsync(string name, string keyValue, int? slots, double? tokens, CancellationToken ct)
    {
        switch (await store.SetKeyAsync(name, keyValue, slots, tokens, ct))
        {
            case "set":
                await admissions.AdmitAllAsync(ct);
                return true;
            case "none":
                return false;
            case "keyless":
                throw Keyless(name);
            case "rateless":
                throw new ArgumentException($"The limit \"{name}\" has no rate, so {tokens} tokens for \"{keyValue}\" would mean nothing; give the limit a rate, or set slots.");
            case "fast":
                throw new ArgumentException($"The limit \"{name}\" for \"{keyValue}\" is not allowed: {tokens} tokens in its period are over 1,000,000 a second.");
            default:
                throw await UnknownAsync(name, ct);
        }
    }

    private static ArgumentException Keyless(string name) => new($"The limit \"{name}\" has no key, so it knows no \"one value of it\"; leave the value out, or set the limit with a key.");

    private async Task<JobsException> UnknownAsync(string name, CancellationToken ct)
    {
        var near = NearMiss.Of(name, (await query.ListAsync(null, ct)).Select(l => l.Limit.Name));
        return new JobsException($"There is no limit \"{name}\"{(near is null ? "; `jobs limits list` shows those there are." : $"; did you mean {near}?")}");
    }
}
