using System.Globalization;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>Why a limit holds a job back, and until when. docs/OPERATIONS.md lists the codes.</summary>
internal sealed class LimitReasons(LimitQuery query)
{
    /// <summary>So many of the jobs that hold the slots are named.</summary>
    private const int MostNamed = 5;

    public async Task<Explanation?> LimitedAsync(Case c, CancellationToken ct)
    {
        if (await query.BlockageAsync(c.Job.Id, MostNamed, ct) is not { } b)
        {
            return null;
        }

        var (gate, limit, name) = (b.Gate, b.Limit, Name(b));
        var before = b.Before == 0 ? "No job waits before it." : $"{(b.IsCut ? "At least " : "")}{Phrase.Count(b.Before, "job")} {(b.Before == 1 ? "waits" : "wait")} before it.";
        var later = c.Scheduled ? "" : " No scheduler is alive to let it through. Start one: jobs scheduler";
        return b switch
        {
            { IsGone: true } => new("limit-gone", $"The limit \"{limit.Name}\" held it back and is removed since: it is queued within about a second.{later}") { Since = b.Since },
            { Gate.PausedUntil: { } until } => new("limit-paused", $"{name} is paused for {Phrase.Duration(until - c.Now)}, until {Phrase.Time(until)}"
                + $"{(gate.PausedBy is { } by ? $", because the handler of job {by} was told to come back then" : "")}. {before} It ends sooner by: jobs limits resume {limit.Name}{later}") { Since = b.Since, Until = until },
            { Gate.Slots: 0 } => new("limit-slots", $"{name} has 0 slots: none of its jobs starts. {before} Give it some: jobs limits set {limit.Name}{For(b)} --slots N") { Since = b.Since },
            _ when gate.Slots <= gate.Held => new("limit-slots", $"{name} lets {Phrase.Count(gate.Slots!.Value, "job")} run at once, and {gate.Held:N0} run{(gate.Held == 1 ? "s" : "")}: {Holders(gate)}. {before}") { Since = b.Since },
            { Gate.NextAt: { } next } when next > c.Now => Rated(c, b, name, before, next, later),
            _ => new("limit", $"{name} held it back and has room now: it is queued within about a second. {before}{later}") { Since = b.Since },
        };
    }

    /// <summary>It is claimed already and waits in its slot: a worker takes what a rate lets start within 0.1 s.</summary>
    public static Explanation? Permitted(Case c) => c.Job.StartedAt is not { } start || start <= c.Now ? null
        : new("limit-rate", $"It has its slot, and the rate of a limit lets it start in {Phrase.Duration(start - c.Now)}.") { Until = start };

    private static Explanation Rated(Case c, Blockage b, string name, string before, DateTimeOffset next, string later)
    {
        var (rate, tokens) = (b.Limit.Rate!, b.Gate.RateTokens!.Value);
        var own = b.Cost == 1 ? "" : $" It takes {Text(b.Cost)}.";
        // Each of those before it takes a token at least; windows give theirs at once.
        var wait = rate.Algorithm is RateAlgorithm.TokenBucket or RateAlgorithm.LeakyBucket ? TimeSpan.FromSeconds(Math.Min(b.Before / tokens * rate.Per.TotalSeconds, 1e9)) : TimeSpan.Zero;
        var about = wait > TimeSpan.Zero ? $" That is in about {Phrase.Duration(next - c.Now + wait)} if each takes one." : "";
        return new("limit-rate", $"{name} lets {Text(tokens)} start in {Phrase.Duration(rate.Per)}, and {Text(Math.Floor(b.Gate.Tokens!.Value * 100) / 100)} of that {(b.Gate.Tokens < 2 ? "is" : "are")} left.{own} "
            + $"The next chance is in {Phrase.Duration(next - c.Now)}. {before}{about}{later}") { Since = b.Since, Until = next + wait };
    }

    private static string Holders(LimitGate gate) => gate.Holders.Count == 0 ? "which have ended meanwhile"
        : $"{string.Join(", ", gate.Holders.Select(h => $"job {h}"))}{(gate.Held > gate.Holders.Count ? " and others" : "")}";

    private static string Name(Blockage b) => $"The limit \"{b.Limit.Name}\"{(b.Limit.Key is { } key ? $" for {key} = \"{b.Gate.Key}\"" : "")}";

    private static string For(Blockage b) => b.Limit.Key is null ? "" : $" --for \"{b.Gate.Key}\"";

    private static string Text(double number) => number.ToString("#,0.##", CultureInfo.InvariantCulture);
}
