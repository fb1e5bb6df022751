using System.Diagnostics;
using System.Globalization;
using Jobs.Bench.Floor;
using Jobs.Bench.Ours;
using Jobs.Postgres;
using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>
/// Transactions that span services, beginning to end, by one process that begins them, runs their participants and coordinates: many at once, and one at a time; what they force to disk and send; beside a
/// hand-written transfer between two databases.
/// </summary>
internal sealed class TransactionCosts(BenchOptions options, StepLog steps, CancellationToken stop)
{
    public const string Floor = "floor";
    private const int Many = 40; // two prepared transactions each; the servers of ./run have room for 100
    private const int Slots = 64;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static readonly Case[] All =
    [
        new(Floor, "by hand: two databases, one after the other", 2, null),
        new("transfer_2", "two phases, two databases", 2, n => new TwoPhase("transfer").Add(new Take(n, 1)).Add(new Give(n, 1))),
        new("two_phase_2", "two phases, 2 branches of one row", 2, n => TwoPhases(2)),
        new("two_phase_5", "two phases, 5 branches of one row", 5, n => TwoPhases(5)),
        new("saga_2", "saga, 2 steps one after the other", 2, n => Steps(2)),
        new("saga_5", "saga, 5 steps one after the other", 5, n => Steps(5)),
    ];

    public static IEnumerable<string> Names => All.Select(c => c.Name);

    private readonly Dictionary<string, List<TransactionRound>> _rounds = All.ToDictionary(c => c.Name, _ => new List<TransactionRound>());
    private readonly Dictionary<string, TransactionCounts> _counts = [];
    private int _next;

    private int Rounds => options.Quick ? 1 : options.Rounds;

    private int ManyTransactions => options.Quick ? 1500 : 5000;

    private int LoneTransactions => options.Quick ? 100 : 300;

    private int WarmTransactions => options.Quick ? 500 : 1000;

    public async Task<IReadOnlyList<TransactionResult>> RunAsync()
    {
        await using var databases = await TransferDatabases.CreateAsync();
        for (var round = 1; round <= Rounds; round++)
        {
            foreach (var one in All.Where(c => options.Only.Count == 0 || options.Only.Contains(c.Name)))
            {
                var schema = $"{Bench.Rounds.Name}_t{round}_{Array.IndexOf(All, one)}";
                try
                {
                    var found = one.Plan is null ? await MeasureFloorAsync(one, schema, round == Rounds) : await MeasureAsync(one, schema, round == Rounds);
                    _rounds[one.Name].Add(found);
                    steps.Say($"round {round} of {Rounds}  {one.Name,-12}  {found.Rate,6:N0} a second; one at a time p50 {found.Lone.P50:F1} ms, p99 {found.Lone.P99:F1} ms; {found.Processor:F2} ms of this process each");
                }
                finally
                {
                    await Servers.RemoveAsync(schema);
                }
            }
        }

        return [.. All.Where(c => _rounds[c.Name].Count > 0).Select(c => new TransactionResult(c.Name, c.Words, c.Branches, _rounds[c.Name], _counts[c.Name]))];
    }

    private async Task<TransactionRound> MeasureFloorAsync(Case one, string schema, bool count)
    {
        await using (var database = await Servers.OpenAsync())
        {
            await Servers.ExecuteAsync(database, Sql.Read("floor_create_transfer", schema));
        }

        await using var floor = new FloorTransfer(schema);
        Task OneAsync()
        {
            var n = Account();
            return floor.RunAsync(n, n);
        }

        await LoadAsync(Many, WarmTransactions, OneAsync);
        await Servers.SettleAsync(schema);
        var (lone, _, _) = await LoadAsync(1, LoneTransactions, OneAsync);
        var (many, rate, processor) = await LoadAsync(Many, ManyTransactions, OneAsync);
        if (count)
        {
            _counts[one.Name] = await CountAsync(floor.Sources, OneAsync);
        }

        return new TransactionRound(rate, processor, many, lone, null, null);
    }

    private async Task<TransactionRound> MeasureAsync(Case one, string schema, bool count)
    {
        await using var notes = new Notes(schema);
        await using var run = await new OursSubject(schema).StartAsync(w => w.Queue(TransactionBranchAttribute.DefaultQueue, Slots), s => s.AddSingleton(notes), more: jobs => jobs
            .AddParticipantDatabase(TransferDatabases.Here, TransferDatabases.HereConnection)
            .AddParticipantDatabase(TransferDatabases.There, TransferDatabases.ThereConnection)
            .AddTransactions(t => t.Participant<Note, NoteParticipant>().Step<NoteStep, NoteSaga>().Participant<Take, TakeParticipant>().Participant<Give, GiveParticipant>().Coordinator()));
        await using var database = await Servers.OpenAsync();
        await Servers.ExecuteAsync(database, Sql.Read("create_notes", schema));
        var transactions = run.Get<ITransactions>();
        var done = 0;
        async Task OneAsync()
        {
            var id = await transactions.BeginAsync(one.Plan!(Account()), stop);
            var end = await transactions.WaitAsync(id, Patience, stop);
            if (end.State != TransactionState.Committed)
            {
                throw new BenchException($"A transaction is {end.State}, because of: {end.Reason} What is measured is wrong.");
            }

            Interlocked.Increment(ref done);
        }

        await LoadAsync(Many, WarmTransactions, OneAsync);
        await LoadAsync(1, 10, OneAsync);
        await Servers.SettleAsync(schema);
        var before = await NowAsync(database);
        var (lone, _, _) = await LoadAsync(1, LoneTransactions, OneAsync);
        var between = await NowAsync(database);
        var (many, rate, processor) = await LoadAsync(Many, ManyTransactions, OneAsync);
        var found = new TransactionRound(rate, processor, many, lone, await StampedAsync(database, schema, between), await StampedAsync(database, schema, before, LoneTransactions));
        if (count)
        {
            var counts = await CountAsync([run.Get<Database>().Source, notes.Source, .. new[] { TransferDatabases.Here, TransferDatabases.There }.Select(n => run.Get<ParticipantDatabase>(n).Source)], OneAsync);
            await Task.Delay(BrokerCounts.Lag, stop);
            var (tickets, answers) = (await BrokerCounts.PublishedAsync($"{schema}.{TransactionBranchAttribute.DefaultQueue}"), await BrokerCounts.PublishedAsync($"{schema}._coordinator"));
            _counts[one.Name] = counts with { Tickets = (double?)tickets / done, Answers = (double?)answers / done };
        }

        var written = await Servers.ValueAsync<long>(database, Sql.Read("count_transactions", schema));
        return written == done ? found : throw new BenchException($"{written} transactions have ended by the table, {done} by their waiters: what was just measured is wrong.");
    }

    /// <summary>So many transactions, so many at a time: the next one begins when one has ended.</summary>
    private static async Task<(Quantiles Times, double Rate, double Processor)> LoadAsync(int inFlight, int transactions, Func<Task> one)
    {
        var times = new double[transactions];
        var next = -1;
        var used = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, inFlight).Select(_ => Task.Run(async () =>
        {
            for (int n; (n = Interlocked.Increment(ref next)) < transactions;)
            {
                var began = Stopwatch.GetTimestamp();
                await one();
                times[n] = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            }
        })));
        var rate = transactions / clock.Elapsed.TotalSeconds;
        Array.Sort(times);
        return (Quantiles.Of(times), rate, (Environment.CpuUsage.TotalTime - used).TotalMilliseconds / transactions);
    }

    /// <summary>Apart from what is timed, because the connections are opened anew.</summary>
    private async Task<TransactionCounts> CountAsync(IReadOnlyList<NpgsqlDataSource> sources, Func<Task> one)
    {
        var before = await ForcedWrites.LookAsync(sources);
        await LoadAsync(1, LoneTransactions, one);
        var between = await ForcedWrites.LookAsync(sources);
        await LoadAsync(Many, ManyTransactions, one);
        var after = await ForcedWrites.LookAsync(sources);
        var (lone, many) = (between - before, after - between);
        return new TransactionCounts(lone.Syncs / (double)LoneTransactions, many.Syncs / (double)ManyTransactions, lone.Commits / (double)LoneTransactions, null, null);
    }

    private static async Task<DateTime> NowAsync(NpgsqlConnection database) => await Servers.ValueAsync<DateTime>(database, "select clock_timestamp()");

    private static async Task<Quantiles> StampedAsync(NpgsqlConnection database, string schema, DateTime since, int most = int.MaxValue)
    {
        await using var command = new NpgsqlCommand(Sql.Read("stamped_times", schema), database) { Parameters = { new() { Value = since }, new() { Value = most } } };
        await using var reader = await command.ExecuteReaderAsync();
        var times = new List<double>();
        while (await reader.ReadAsync())
        {
            times.Add(reader.GetDouble(0));
        }

        return Quantiles.Of([.. times.Order()]);
    }

    private int Account() => (int)(Interlocked.Increment(ref _next) * 7919L % TransferDatabases.Accounts) + 1;

    private static TwoPhase TwoPhases(int branches)
    {
        var plan = new TwoPhase("bench");
        for (var n = 0; n < branches; n++)
        {
            plan.Add(new Note(Load.Text));
        }

        return plan;
    }

    private static Saga Steps(int steps)
    {
        var plan = new Saga("bench");
        for (var n = 0; n < steps; n++)
        {
            plan.Then(new NoteStep(Load.Text));
        }

        return plan;
    }

    private sealed record Case(string Name, string Words, int Branches, Func<int, TransactionPlan>? Plan);

    public static void Write(IReadOnlyList<TransactionResult> results)
    {
        var table = new Table().Border(TableBorder.Rounded).Title($"Transactions, beginning to end; {Many} in flight, and one at a time");
        table.AddColumn("");
        foreach (var column in new[] { "a second", "p50, ms", "p99, ms", "one at a time, p50", "p99", "by stamps, p50", "p99" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (var r in results)
        {
            table.AddRow(r.Words, $"{r.Rate:N0}", $"{r.Many.P50:F1}", $"{r.Many.P99:F1}", $"{r.Lone.P50:F1}", $"{r.Lone.P99:F1}", Number(r.LoneStamped?.P50), Number(r.LoneStamped?.P99));
        }

        AnsiConsole.Write(table);
        var counts = new Table().Border(TableBorder.Rounded).Title("What one of them forces to disk and sends");
        counts.AddColumn("");
        foreach (var column in new[] { "forced writes, alone", $"with {Many} in flight", "theory (N+1)", "tickets", "answers", "theory (3N-1)", "commits, alone" })
        {
            counts.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (var r in results)
        {
            counts.AddRow(r.Words, $"{r.Counts.Syncs:F1}", $"{r.Counts.SyncsShared:F2}", $"{r.Branches + 1}", Number(r.Counts.Tickets), Number(r.Counts.Answers), $"{(3 * r.Branches) - 1}", $"{r.Counts.Commits:F1}");
        }

        AnsiConsole.Write(counts);
        AnsiConsole.MarkupLine("[grey]Goals: 300 transfers a second, p50 of one at a time under 40 ms. Transactions that commit at the same time share a forced write. Theory: Gray and Lamport, 2006; docs/PERFORMANCE.md.[/]");
    }

    private static string Number(double? value) => value?.ToString("F1", CultureInfo.CurrentCulture) ?? "-";
}

/// <summary>Of sorted milliseconds.</summary>
internal sealed record Quantiles(double P50, double P99)
{
    public static Quantiles Of(double[] sorted) => new(Statistics.Quantile(sorted, 0.50), Statistics.Quantile(sorted, 0.99));
}

/// <summary>One round of one case: as the callers see it, and by the database's stamps.</summary>
internal sealed record TransactionRound(double Rate, double Processor, Quantiles Many, Quantiles Lone, Quantiles? ManyStamped, Quantiles? LoneStamped);

/// <summary>A transaction's share of what was counted. Null: nobody counts it.</summary>
internal sealed record TransactionCounts(double Syncs, double SyncsShared, double Commits, double? Tickets, double? Answers);

internal sealed record TransactionResult(string Name, string Words, int Branches, IReadOnlyList<TransactionRound> Rounds, TransactionCounts Counts)
{
    public double Rate => Statistics.Median(Rounds.Select(r => r.Rate));

    /// <summary>Milliseconds of processor time of the measuring process, with many in flight.</summary>
    public double Processor => Statistics.Median(Rounds.Select(r => r.Processor));

    public Quantiles Many => Middle(r => r.Many);

    public Quantiles Lone => Middle(r => r.Lone);

    public Quantiles? ManyStamped => Rounds[0].ManyStamped is null ? null : Middle(r => r.ManyStamped!);

    public Quantiles? LoneStamped => Rounds[0].LoneStamped is null ? null : Middle(r => r.LoneStamped!);

    private Quantiles Middle(Func<TransactionRound, Quantiles> of) => new(Statistics.Median(Rounds.Select(r => of(r).P50)), Statistics.Median(Rounds.Select(r => of(r).P99)));
}
