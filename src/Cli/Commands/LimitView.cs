using System.Globalization;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>Limits as people and programs read and write them.</summary>
internal static class LimitView
{
    /// <summary>So many of the jobs that hold a gate fit into a line.</summary>
    private const int MostHolders = 3;

    private static readonly (string Word, RateAlgorithm Algorithm)[] Algorithms =
        [("token", RateAlgorithm.TokenBucket), ("leaky", RateAlgorithm.LeakyBucket), ("fixed", RateAlgorithm.FixedWindow), ("sliding", RateAlgorithm.SlidingWindow)];

    /// <summary>What was said of a rate; null: nothing.</summary>
    public sealed record RateChange(Setting<double>? Tokens, TimeSpan? Per, RateAlgorithm? Algorithm, double? Burst, string? Cost)
    {
        /// <exception cref="UsageException">Something is said of a rate that is not there.</exception>
        public RateLimit? Of(RateLimit? before)
        {
            if (Tokens is { Value: null })
            {
                return (Per, Algorithm, Burst, Cost) == default ? null : throw new UsageException("--rate none leaves no rate for --per, --algorithm, --burst and --cost; leave them out.");
            }

            if (before is null && Tokens is null)
            {
                return (Per, Algorithm, Burst, Cost) == default ? null : throw new UsageException("There is no rate for --per, --algorithm, --burst and --cost; give --rate N as well.");
            }

            var rate = new RateLimit(Tokens?.Value ?? before!.Tokens, Per ?? before?.Per ?? TimeSpan.FromSeconds(1)) { Algorithm = Algorithm ?? before?.Algorithm ?? default, Cost = Cost ?? before?.Cost };
            var kept = before?.Burst is { } b && b != (before with { Burst = null }).Size ? b : (double?)null; // one that nobody gave follows the rate
            return rate with { Burst = Burst ?? (rate.Algorithm == RateAlgorithm.TokenBucket ? kept : null) };
        }
    }

    public static double Number(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number
        : throw new FormatException($"\"{text}\" is not a number.");

    public static RateAlgorithm Algorithm(string text) => Array.Exists(Algorithms, a => a.Word == text) ? Array.Find(Algorithms, a => a.Word == text).Algorithm
        : throw new FormatException($"The algorithm \"{text}\" does not exist; use one of {string.Join(", ", Algorithms.Select(a => a.Word))}.");

    public static string Word(LimitOrigin origin) => origin switch { LimitOrigin.Code => "code", LimitOrigin.Configuration => "configuration", _ => "operator" };

    /// <summary>The limit with what is given in place of what it had.</summary>
    public static JobLimit Changed(JobLimit limit, string? queue, string? type, string? key, Setting<int>? slots, RateChange rate) => limit with
    {
        Queue = queue ?? limit.Queue,
        Type = type ?? limit.Type,
        Key = key ?? limit.Key,
        Slots = slots is null ? limit.Slots : slots.Value,
        Rate = rate.Of(limit.Rate),
    };

    /// <summary>"queue mail, each customer.id: 10 at once, 100 in 1 s".</summary>
    public static string Words(JobLimit limit) => $"{Whom(limit)}: {string.Join(", ", new[] { limit.Slots is { } slots ? $"{slots:N0} at once" : null, Rate(limit.Rate) }.OfType<string>())}";

    public static object AsJson(LimitInfo l, bool withGates) => new
    {
        name = l.Limit.Name,
        queue = l.Limit.Queue,
        type = l.Limit.Type,
        key = l.Limit.Key,
        slots = l.Limit.Slots,
        rate = l.Limit.Rate is not { } r ? null : new { tokens = r.Tokens, perSeconds = r.Per.TotalSeconds, algorithm = Word(r.Algorithm), burst = r.Burst, cost = r.Cost },
        origin = Word(l.Origin),
        setAt = l.SetAt,
        by = l.By,
        reason = l.Reason,
        held = l.Held,
        waiting = l.Waiting,
        paused = l.Paused,
        gates = withGates ? l.Gates.Select(g => new
        {
            key = g.Key,
            slots = g.Slots,
            rateTokens = g.RateTokens,
            ownSlots = g.OwnSlots,
            ownTokens = g.OwnTokens,
            held = g.Held,
            holders = g.Holders.Select(h => h.Value),
            waiting = g.Waiting,
            tokens = g.Tokens,
            nextAt = g.NextAt,
            pausedUntil = g.PausedUntil,
            pausedBy = g.PausedBy?.Value,
        }) : null,
    };

    public static void Show(IAnsiConsole screen, IReadOnlyList<LimitInfo> limits, DateTimeOffset now)
    {
        var sheet = new Sheet().Add("limit").Add("for", weight: 4).Add("slots", right: true).Add("rate", weight: 5).Add("held", right: true).Add("waiting", right: true).Add("paused", right: true, weight: 3)
            .Add("set by", weight: 2).Add("", weight: 1);
        foreach (var l in limits)
        {
            sheet.Row(l.Limit.Name, Whom(l.Limit), Slots(l.Limit.Slots), Rate(l.Limit.Rate) ?? "", Cell.Of(l.Held, Styles.Busy), Waiting(l.Waiting), Cell.Of(l.Paused, Styles.Bad),
                $"{Word(l.Origin)}{(l.By is { } by ? $", {Plain.Line(by)}" : "")}", new Cell($"{Plain.Relative(l.SetAt, now)}{(l.Reason is { } reason ? $": {Plain.Line(reason)}" : "")}", Styles.Faint));
        }

        sheet.WriteTo(screen);
    }

    public static void Show(IAnsiConsole screen, LimitInfo l, DateTimeOffset now)
    {
        screen.WriteLine($"{l.Limit.Name}: {Words(l.Limit)}");
        screen.Write(new Text($"set by {Word(l.Origin)}{(l.By is { } by ? $", {Plain.Line(by)}" : "")}, {Plain.Relative(l.SetAt, now)}{(l.Reason is { } reason ? $": {Plain.Line(reason)}" : "")}; "
            + $"{l.Held:N0} held, {Counted(l.Waiting)} waiting, {l.Paused:N0} paused", Styles.Faint));
        screen.WriteLine();
        if (l.Gates.Count == 0)
        {
            screen.WriteLine("No job has passed it lately.");
            return;
        }

        var sheet = new Sheet().Add(l.Limit.Key ?? "gate").Add("held", right: true).Add("slots", right: true).Add("waiting", right: true);
        if (l.Limit.Rate is not null)
        {
            sheet.Add("tokens", right: true).Add("of", right: true).Add("next", weight: 4);
        }

        sheet.Add("paused", weight: 5).Add("held by", weight: 2);
        foreach (var g in l.Gates)
        {
            var paused = g.PausedUntil is { } until ? $"until {Plain.Time(until)}{(g.PausedBy is { } job ? $" by {job}" : "")}" : "";
            var holders = string.Join(' ', g.Holders.Take(MostHolders)) + (g.Held > MostHolders ? $" and {g.Held - MostHolders:N0} more" : "");
            sheet.Row([
                g.Key is null ? "all" : Plain.Line(g.Key), Cell.Of(g.Held, Styles.Busy), Slots(g.Slots, g.OwnSlots is not null), Waiting(g.Waiting),
                .. l.Limit.Rate is null ? Array.Empty<Cell>() :
                    [Tokens(g.Tokens), new Cell(Text(g.RateTokens) + (g.OwnTokens is null ? "" : "*")), new Cell(g.NextAt is { } next ? Plain.Relative(next, now) : "now", Styles.Faint)],
                new Cell(paused, Styles.Bad), new Cell(holders, Styles.Faint),
            ]);
        }

        sheet.WriteTo(screen);
        if (l.Gates.Any(g => g.OwnSlots is not null || g.OwnTokens is not null))
        {
            screen.Write(new Text("* its own number", Styles.Faint));
            screen.WriteLine();
        }
    }

    private static string Whom(JobLimit limit) =>
        string.Join(", ", new[] { limit.Queue is { } q ? $"queue {q}" : null, limit.Type is { } t ? $"type {t}" : null, limit.Key is { } k ? $"each {Plain.Line(k)}" : null }.OfType<string>());

    private static string? Rate(RateLimit? rate) => rate is null ? null
        : $"{Text(rate.Tokens)} in {Plain.Duration(rate.Per)}{(rate.Algorithm == RateAlgorithm.TokenBucket ? $", burst {Text(rate.Size)}" : $", {Word(rate.Algorithm)}")}{(rate.Cost is { } cost ? $", cost {Plain.Line(cost)}" : "")}";

    private static string Word(RateAlgorithm algorithm) => Array.Find(Algorithms, a => a.Algorithm == algorithm).Word;

    private static Cell Slots(int? slots, bool own = false) => slots is { } n ? new Cell($"{n:N0}{(own ? "*" : "")}", n == 0 ? Styles.Bad : Style.Plain) : new Cell("any", Styles.Faint);

    private static Cell Waiting(long waiting) => waiting == 0 ? Cell.Of(0) : new Cell(Counted(waiting), Styles.Of(JobState.Blocked));

    private static string Counted(long waiting) => $"{waiting:N0}{(waiting >= LimitInfo.MostCounted ? "+" : "")}";

    private static Cell Tokens(double? tokens) => tokens is { } n ? new Cell(Text(Math.Floor(n * 100) / 100)) : "";

    private static string Text(double? number) => number?.ToString("#,0.##", CultureInfo.InvariantCulture) ?? "";
}
