using Microsoft.Extensions.Configuration;

namespace Jobs.Coordination;

/// <summary>A limit that an app declares in its code.</summary>
internal sealed record CodeLimit(JobLimit Limit);

/// <summary>The limits that a process declares: those of its code, and those of the configuration, which replace the former where both have one of a name.</summary>
internal sealed class DeclaredLimits(IEnumerable<CodeLimit> code, IConfiguration? configuration = null)
{
    private const string Section = "Jobs:Limits";

    private static readonly string[] Keys = ["Queue", "Type", "Key", "Slots", "Tokens", "PerSeconds", "Algorithm", "Burst", "Cost"];

    public IConfiguration? Configuration => configuration;

    /// <summary>What is declared now, each with its origin as the rows name it; and every fault in it.</summary>
    public (List<(JobLimit Limit, string Origin)> Limits, List<string> Faults) Read()
    {
        var faults = new List<string>();
        foreach (var twice in code.GroupBy(c => c.Limit.Name).Where(g => g.Count() > 1))
        {
            faults.Add($"AddLimit: there are two limits of the name \"{twice.Key}\"; give each its own.");
        }

        var configured = (configuration?.GetSection(Section).GetChildren() ?? []).Select(s => (Path: s.Path, Limit: Read(s, faults))).ToList();
        var limits = code.Where(c => configured.TrueForAll(o => o.Limit.Name != c.Limit.Name)).Select(c => (Path: "AddLimit", c.Limit, Origin: "code"))
            .Concat(configured.Select(o => (o.Path, o.Limit, Origin: "configuration"))).ToList();
        foreach (var (path, limit, _) in limits)
        {
            if (!faults.Exists(f => f.Contains(path + ":", StringComparison.Ordinal) && path != "AddLimit") && LimitRules.Fault(limit) is { } fault)
            {
                faults.Add($"{path}: the limit \"{limit.Name}\" is not allowed: {fault}");
            }
        }

        return ([.. limits.Select(l => (l.Limit, l.Origin))], faults);
    }

    private static JobLimit Read(IConfigurationSection section, List<string> faults)
    {
        var settings = new Settings(section);
        foreach (var unknown in section.GetChildren().Select(c => c.Key).Where(k => !Keys.Contains(k, StringComparer.OrdinalIgnoreCase)))
        {
            faults.Add($"{section.Path}:{unknown} means nothing{(NearMiss.Of(unknown, Keys) is { } near ? $"; did you mean {near}?" : $"; use {string.Join(", ", Keys)}.")}");
        }

        var tokens = Value(() => settings.Decimal("Tokens"));
        var (per, algorithm, burst, cost) = (Value(() => settings.Decimal("PerSeconds")), Value(() => settings.Word<RateAlgorithm>("Algorithm")), Value(() => settings.Decimal("Burst")), settings.OptionalText("Cost"));
        if (section["Tokens"] is null && (section["PerSeconds"] ?? section["Algorithm"] ?? section["Burst"] ?? section["Cost"]) is not null)
        {
            faults.Add($"{section.Path}: there is no rate for PerSeconds, Algorithm, Burst and Cost; give Tokens as well.");
        }
        else if (per is not null && !(Math.Abs(per.Value) < 1e9))
        {
            faults.Add($"{section.Path}:PerSeconds {per} is not allowed; use 0.001 to 2678400.");
            per = null;
        }

        return new JobLimit(section.Key)
        {
            Queue = settings.OptionalText("Queue"),
            Type = settings.OptionalText("Type"),
            Key = settings.OptionalText("Key"),
            Slots = Value(() => settings.OptionalNumber("Slots")),
            Rate = tokens is { } t ? new RateLimit(t, TimeSpan.FromSeconds(per ?? 1)) { Algorithm = algorithm ?? default, Burst = burst, Cost = cost } : null,
        };

        T? Value<T>(Func<T?> read)
            where T : struct
        {
            try
            {
                return read();
            }
            catch (JobsException e)
            {
                faults.Add(e.Message);
                return null;
            }
        }
    }
}
