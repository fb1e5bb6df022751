using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text;
using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Tests.Faults;

/// <summary>
/// An installation with transactions between two databases of its participants. What became of each is read from those, whose keys and checks are outside of the platform; its own word only has to agree.
/// </summary>
internal sealed class Clearing : IAsyncDisposable
{
    /// <summary>The promise: nothing is in doubt, or not at its end, for longer than this after all is well again.</summary>
    private static readonly TimeSpan Healing = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<TransactionId, long> _begun = new();

    /// <summary>Those that may be aborted although all vote yes; and what a call said of them: that they commit, that they do not, or nothing.</summary>
    private readonly ConcurrentDictionary<TransactionId, bool?> _told = new();

    private readonly IHost _host;
    private long _last;

    private Clearing(Arena arena, TimeSpan? watchEvery)
    {
        (Arena, WatchEvery) = (arena, watchEvery);
        (A, B) = (NpgsqlDataSource.Create(ConnectionTo("a")), NpgsqlDataSource.Create(ConnectionTo("b")));
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddProvider(new FileLogProvider(Path.Combine(arena.Folder, "clearing.log")));
        builder.Services.AddJobs(o => (o.Postgres, o.RabbitMq, o.Schema, o.AppName) = (arena.Servers.Postgres, arena.Servers.RabbitMq, arena.Schema, "clearing"))
            .AddTransactions(t => t.WatchEvery = watchEvery ?? t.WatchEvery);
        _host = builder.Build();
    }

    public Arena Arena { get; }

    public TimeSpan? WatchEvery { get; }

    /// <summary>Where debits are.</summary>
    public NpgsqlDataSource A { get; }

    /// <summary>Where everything else is.</summary>
    public NpgsqlDataSource B { get; }

    public ITransactions Transactions => _host.Services.GetRequiredService<ITransactions>();

    public int Count => _begun.Count;

    public static async Task<Clearing> OpenAsync(Servers servers, ITestOutputHelper output, TimeSpan? watchEvery = null, int ttlSeconds = 15, [CallerMemberName] string test = "")
    {
        var arena = await Arena.OpenAsync(servers, output, ttlSeconds, test);
        foreach (var name in new[] { "a", "b" })
        {
            await arena.AskAsync<object>($"create database {arena.Schema}_{name}");
        }

        var clearing = new Clearing(arena, watchEvery);
        foreach (var source in new[] { clearing.A, clearing.B })
        {
            await using var tables = source.CreateCommand(Sql.Tables);
            await tables.ExecuteNonQueryAsync();
        }

        await clearing._host.StartAsync();
        arena.StartScheduler();
        return clearing;
    }

    /// <param name="parts"><c>coordinator</c>, <c>participant</c>, or both of them.</param>
    /// <param name="crashAt">Where it kills itself.</param>
    /// <param name="more">Further arguments.</param>
    public Child StartService(string parts = "coordinator+participant", string? crashAt = null, params IEnumerable<string> more) =>
        Arena.Start("service", crashAt, [$"--Parts={parts}", .. WatchEvery is { } every ? [$"--WatchMs={every.TotalMilliseconds}"] : Array.Empty<string>(), .. more]);

    /// <summary>Calls of these verbs (of participants: prepare, note for that of notes, commit, abort; of steps: run, undo) wait until <see cref="Release"/>.</summary>
    public void Hold(params IEnumerable<string> verbs) => verbs.ToList().ForEach(v => File.WriteAllText(FileOf(v), ""));

    public void Release(params IEnumerable<string> verbs) => verbs.ToList().ForEach(v => File.Delete(FileOf(v)));

    private string FileOf(string verb) => Path.Combine(Arena.Folder, $"hold.{verb}");

    /// <summary>Twelve whose decision is being carried out, or has been, and eighteen undecided ones: all calls have begun, and wait until <see cref="ReleaseAll"/>. For services with slots for all of them.</summary>
    public async Task HoldInEachPhaseAsync()
    {
        const int Calls = (6 * 3) + (2 * 3) + 2 + (12 * 3) + (6 * 2); // commits, aborts, compensations; prepares, first steps
        Hold("commit", "abort", "undo");
        await BeginAsync(12);
        await Eventually.HoldsAsync("all of them are decided, and ten have not ended", async () => await InStateAsync("committing", "aborting") == 10 && await InStateAsync("committed") == 2);
        Hold("prepare", "note", "run");
        await BeginAsync(18);
        await Eventually.HoldsAsync($"{Calls} calls are held", async () => await Arena.CountAsync("jobs.job where state = 'running' and type like 'branch.%'") == Calls, explain: DescribeAsync);
    }

    public void ReleaseAll() => Release("commit", "abort", "undo", "prepare", "note", "run");

    /// <summary>Coordinators that have made their queue, and are dead.</summary>
    public async Task MakeQueueAsync()
    {
        var first = StartService("coordinator");
        await CoordinatesAsync(first);
        await Arena.KillAsync(first);
    }

    /// <summary>It hears answers, so their queue is there.</summary>
    public static Task CoordinatesAsync(Child coordinator) =>
        Eventually.HoldsAsync("the coordinator hears", () => LineFile.Read(coordinator.Log).Any(l => l.Contains("Bus started", StringComparison.Ordinal)));

    /// <summary>The next ones in number, all at once.</summary>
    /// <param name="count">How many.</param>
    /// <param name="timeout">Their deadline. Without one they have to end as their votes say; with one they may be aborted instead.</param>
    /// <param name="ms">How long the work of a prepared branch takes.</param>
    /// <param name="onlyTwoPhase">No sagas among them.</param>
    public Task<TransactionId[]> BeginAsync(int count, TimeSpan? timeout = null, int ms = 0, bool onlyTwoPhase = false) => Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
    {
        long n;
        do
        {
            n = Interlocked.Increment(ref _last);
        }
        while (onlyTwoPhase && Transfers.IsSaga(n));

        var id = TransactionId.New();
        if (timeout is not null)
        {
            _told[id] = null;
        }

        await BeginAsync(n, id, timeout ?? Long, ms);
        return id;
    }));

    /// <summary>Until it is acknowledged: with one id it is one transaction, however often it is begun.</summary>
    public async Task BeginAsync(long n, TransactionId id, TimeSpan? timeout = null, int ms = 0)
    {
        await Eventually.HoldsAsync($"transaction {n} has begun", async () => await Transactions.BeginAsync(Transfers.Plan(n, id, timeout ?? Long, ms)) == id);
        _begun[id] = n;
    }

    /// <summary>A steady stream, until disposed.</summary>
    public Stream Start(int callers) => new(this, callers);

    /// <summary>Aborts by hand. What it answers is a promise, too.</summary>
    public async Task AbortAsync(TransactionId id) => _told[id] = !await Transactions.AbortAsync(id, "by the test");

    public Task<long> InStateAsync(params string[] states) => Arena.CountAsync("jobs.transaction where state = any($1)", (object)states);

    public async Task<long> PreparedAsync() => await Arena.CountAsync($"pg_prepared_xacts where gid like 'jobs:{Arena.Schema}:%'");

    /// <summary>Committed, as database <c>a</c> says.</summary>
    public async Task<long> DebitsAsync()
    {
        await using var count = A.CreateCommand("select count(*) from moved");
        return (long)(await count.ExecuteScalarAsync())!;
    }

    /// <summary>Every transaction has its end, and nothing is left prepared.</summary>
    public Task EndAsync() => Eventually.HoldsAsync("every transaction has ended and nothing is prepared", async () =>
        await Arena.CountAsync("jobs.transaction where ended_at is null") == 0 && await PreparedAsync() == 0, Healing, DescribeAsync);

    /// <summary>All has ended in time, nothing is left prepared, and no outcome is mixed.</summary>
    public async Task AssertAsync()
    {
        await EndAsync();
        var word = await ReadAsync(Arena.Db, $"select id, state from {Arena.Schema}.transaction");
        var debits = await ReadAsync(A, "select transaction, 'done' from moved");
        var credits = await ReadAsync(B, "select transaction, 'done' from moved");
        var notes = await ReadAsync(B, "select transaction, case state when 'committed' then 'done' else state end from note");
        var trips = await ReadAsync(B, "select transaction, string_agg(branch || state, ' ' order by branch) from booking group by transaction");
        var faults = new StringBuilder();
        var committed = 0;
        foreach (var (id, n) in _begun)
        {
            var done = Transfers.IsSaga(n) ? Trip(trips.GetValueOrDefault(id.Value)) : Transfer(debits.ContainsKey(id.Value), credits.ContainsKey(id.Value), notes.GetValueOrDefault(id.Value));
            committed += done == true ? 1 : 0;
            if (done is null)
            {
                faults.AppendLine($"{n} {id} is mixed: debit {debits.ContainsKey(id.Value)}, credit {credits.ContainsKey(id.Value)}, note {notes.GetValueOrDefault(id.Value)}, trip {trips.GetValueOrDefault(id.Value)}");
            }
            else if (word.GetValueOrDefault(id.Value) != (done.Value ? "committed" : "aborted"))
            {
                faults.AppendLine($"{n} {id} is {(done.Value ? "done" : "undone")}, and the platform says it is {word.GetValueOrDefault(id.Value) ?? "nothing that it knows"}");
            }
            else if (_told.TryGetValue(id, out var told) ? done == !told || (done.Value && !Transfers.Commits(n)) : done != Transfers.Commits(n))
            {
                faults.AppendLine($"{n} {id} is {(done.Value ? "done" : "undone")} against its votes, or against what was answered");
            }
        }

        foreach (var other in word.Keys.Where(k => !_begun.ContainsKey(new TransactionId(k))))
        {
            faults.AppendLine($"{other} was never begun");
        }

        var moved = _begun.Where(b => debits.ContainsKey(b.Key.Value)).Sum(b => Transfers.Amount(b.Value));
        const long All = Transfers.Accounts * Transfers.Balance;
        var (a, b) = (await SumAsync(A), await SumAsync(B));
        if ((a, b) != (All - moved, All + moved))
        {
            faults.AppendLine($"the accounts have {a} and {b}, but {moved} was moved from {All} to {All}");
        }

        foreach (var (id, what) in (await ReadAsync(B, "select transaction, string_agg(what, ', ') from fault group by transaction")))
        {
            faults.AppendLine($"{id}: {what}");
        }

        Assert.True(faults.Length == 0, $"{faults}\n{await DescribeAsync()}");
        Assert.InRange(committed, 1, _begun.Count);
        Tally.Transactions(_begun.Count);
        Arena.Say($"{_begun.Count} transactions, {committed} committed, {Arena.Children.Count(c => c.WasKilled)} processes killed");
    }

    private static bool? Transfer(bool debit, bool credit, string? note) => (debit, credit, note) switch
    {
        (true, true, "done") => true,
        (false, false, null or "aborted") => false,
        _ => null,
    };

    /// <summary>The last step needs no compensation: if the abort comes between its work and its answer, it stays done.</summary>
    private static bool? Trip(string? steps) => steps == "1done 2done 3done 4done" ? true : steps is null or "1undone 2undone 3undone 4done" || !steps.Contains("done", StringComparison.Ordinal) || Undone(steps) ? false : null;

    private static bool Undone(string steps) => steps.Split(' ').All(s => s.EndsWith("undone", StringComparison.Ordinal));

    private static async Task<long> SumAsync(NpgsqlDataSource source)
    {
        await using var sum = source.CreateCommand("select sum(balance)::bigint from account");
        return (long)(await sum.ExecuteScalarAsync())!;
    }

    private static async Task<Dictionary<Guid, string>> ReadAsync(NpgsqlDataSource source, string sql)
    {
        source.Clear(); // the server may have been restarted
        await using var command = source.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var found = new Dictionary<Guid, string>();
        while (await reader.ReadAsync())
        {
            found.Add(reader.GetGuid(0), reader.GetString(1));
        }

        return found;
    }

    private async Task<string> DescribeAsync()
    {
        var text = new StringBuilder($"logs: {Arena.Folder}\n");
        foreach (var query in new[]
        {
            "select 'transactions: ' || mode || ' ' || state || ' ' || count(*) from jobs.transaction group by mode, state",
            "select 'not ended: ' || t.id || ' ' || t.state || ' branch ' || b.number || ' ' || b.state || ' round ' || b.round || ' job ' || coalesce(b.job::text, 'none yet') || ' ' || coalesce(j.state::text, h.state || coalesce(h.errors::text, ''), 'none') from jobs.transaction t "
                + "join jobs.transaction_branch b on b.transaction_id = t.id left join jobs.job j on j.id = b.job left join jobs.history h on h.id = b.job where t.ended_at is null limit 40",
            "select 'calls: ' || type || ' ' || coalesce(args->>'verb', '?') || ' ' || state || ' ' || count(*) from jobs.job where type like 'branch.%' group by type, args->>'verb', state",
            "select 'prepared: ' || gid || ' ' || prepared from pg_prepared_xacts where gid like 'jobs:%' limit 20",
        })
        {
            await using var command = Arena.Db.CreateCommand(query.Replace("jobs.", Arena.Schema + "."));
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                text.AppendLine(reader.GetString(0));
            }
        }

        return text.ToString();
    }

    private string ConnectionTo(string name) => $"{Arena.Servers.Postgres};Database={Arena.Schema}_{name};Application Name=test;Maximum Pool Size=5";

    public async ValueTask DisposeAsync()
    {
        foreach (var child in Arena.Children)
        {
            child.Dispose();
        }

        await Arena.Servers.RepairAsync();
        await _host.StopAsync();
        _host.Dispose();
        await using (var connection = await Arena.Broker.ConnectAsync())
        {
            await using var channel = await connection.CreateChannelAsync();
            await channel.QueueDeleteAsync(Arena.Broker.NameOf(Bus.Queue), ifUnused: false, ifEmpty: false);
            await channel.ExchangeDeleteAsync(Arena.Broker.NameOf(Bus.Queue));
        }

        foreach (var (source, name) in new[] { (A, "a"), (B, "b") })
        {
            source.Clear();
            var left = new List<string>();
            await using (var list = source.CreateCommand("select gid from pg_prepared_xacts where database = current_database()"))
            {
                await using var reader = await list.ExecuteReaderAsync();
                while (await reader.ReadAsync())
                {
                    left.Add(reader.GetString(0));
                }
            }

            foreach (var gid in left) // of a test that has failed
            {
                await using var rollback = source.CreateCommand($"rollback prepared '{gid}'");
                await rollback.ExecuteNonQueryAsync();
            }

            await source.DisposeAsync();
            Arena.Db.Clear();
            await Arena.AskAsync<object>($"drop database if exists {Arena.Schema}_{name} with (force)");
        }

        await Arena.DisposeAsync();
    }

    /// <summary>Callers of which each begins a transaction when its last one has ended: so never more are under way than there are callers, however slow the machine is.</summary>
    internal sealed class Stream : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _run;

        public Stream(Clearing clearing, int callers) => _run = Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            while (!_stop.IsCancellationRequested)
            {
                var ids = await clearing.BeginAsync(1);
                await Eventually.HoldsAsync($"transaction {ids[0]} has ended", async () =>
                    _stop.IsCancellationRequested || await clearing.Transactions.WaitAsync(ids[0], TimeSpan.FromSeconds(1)) is not null, Long);
            }
        })));

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _run;
            _stop.Dispose();
        }
    }
}
