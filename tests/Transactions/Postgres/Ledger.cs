using Jobs.Coordination;
using Jobs.Tests.Engine;
using Jobs.Transactions;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Tests.Transactions;

[TransactionBranch("test.debit")]
internal sealed record Debit(string Account, decimal Amount);

/// <summary>A participant database of one test, with accounts in it; dropped at the end with all that is still prepared.</summary>
internal sealed class Ledger : IAsyncDisposable
{
    private readonly ILoggerFactory _logging;
    private readonly NpgsqlDataSource _server;

    private Ledger(NpgsqlDataSource server, NpgsqlDataSource source, LogLines log, Decided decided, ParticipantDatabaseOptions options)
    {
        (_server, Source, Log, Decided) = (server, source, log, decided);
        _logging = LoggerFactory.Create(b => b.AddProvider(log));
        Database = Open(options);
    }

    public NpgsqlDataSource Source { get; }

    /// <summary>For a host that connects by itself.</summary>
    public required string ConnectionString { get; init; }

    public LogLines Log { get; }

    public Decided Decided { get; }

    public ParticipantDatabase Database { get; }

    public PreparedTransactions Verbs => Database.Verbs;

    /// <summary>Seconds. Dropping a database waits for a checkpoint, which may have to write down all that the tests before it have left.</summary>
    private const int Checkpoint = 300;

    public static async Task<Ledger> CreateAsync(Decided? decided = null, Action<ParticipantDatabaseOptions>? configure = null)
    {
        var server = NpgsqlDataSource.Create(await Servers.CurrentPostgres);
        var name = "p" + Guid.NewGuid().ToString("N")[..12];
        await using (var create = server.CreateCommand($"create database {name}"))
        {
            create.CommandTimeout = Checkpoint;
            await create.ExecuteNonQueryAsync();
        }

        var settings = new NpgsqlConnectionStringBuilder(await Servers.CurrentPostgres) { Database = name, MaxPoolSize = 10 };
        var source = NpgsqlDataSource.Create(settings);
        var options = new ParticipantDatabaseOptions { AskAfter = TimeSpan.Zero };
        configure?.Invoke(options);
        var ledger = new Ledger(server, source, new LogLines(), decided ?? new Decided(), options) { ConnectionString = settings.ConnectionString };
        await ledger.SqlAsync("create table account (name text primary key, balance numeric not null check (balance >= 0)); insert into account values ('ann', 100), ('bob', 100)");
        return ledger;
    }

    /// <summary>As another process would see this database.</summary>
    public ParticipantDatabase Open(ParticipantDatabaseOptions options, Decided? decided = null) =>
        new("bank", Source, options, decided ?? Decided, _logging.CreateLogger<ParticipantDatabase>());

    public PreparedReaper Reaper() => new(Database, Decided, new ParticipantTelemetry(), new Pulses(TimeProvider.System), TimeProvider.System, _logging.CreateLogger<PreparedReaper>());

    public async Task<BranchGid> GidAsync(int branch = 1) => new(await Database.ReadyAsync(default), Guid.CreateVersion7(), branch);

    /// <summary>Takes 10 from ann.</summary>
    public static async Task<Vote> WorkAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("update account set balance = balance - 10 where name = 'ann'", connection);
        await command.ExecuteNonQueryAsync();
        return Vote.Yes;
    }

    public Task<decimal> AnnAsync() => ScalarAsync<decimal>("select balance from account where name = 'ann'");

    public Task<bool> IsPreparedAsync(BranchGid gid) => ScalarAsync<bool>("select exists (select from pg_prepared_xacts where gid = $1 and database = current_database())", gid.Value);

    public async Task<T> ScalarAsync<T>(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async Task<int> SqlAsync(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>Until a statement of this database waits for a lock, so that what is tested is that it waits.</summary>
    public Task SomebodyWaitsAsync() => Eventually.SeeAsync(
        () => ScalarAsync<bool>("select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"), w => w, "somebody waits for a lock", Log.Tail);

    public async ValueTask DisposeAsync()
    {
        var left = new List<string>();
        await using (var list = Command("select gid from pg_prepared_xacts where database = current_database()", []))
        await using (var reader = await list.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                left.Add(reader.GetString(0));
            }
        }

        foreach (var gid in left)
        {
            await SqlAsync($"rollback prepared '{gid}'");
        }

        var name = await ScalarAsync<string>("select current_database()::text");
        await Source.DisposeAsync();
        await using (var drop = _server.CreateCommand($"drop database {name} with (force)"))
        {
            drop.CommandTimeout = Checkpoint;
            await drop.ExecuteNonQueryAsync();
        }

        await _server.DisposeAsync();
        _logging.Dispose();
    }

    private NpgsqlCommand Command(string sql, object[] values)
    {
        var command = Source.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }
}

/// <summary>What is decided, as the test says.</summary>
internal sealed class Decided : IDecisions
{
    private readonly Dictionary<Guid, Known> _verdicts = [];

    /// <summary>A name of its own for each, because gids are unique over all databases of the server.</summary>
    public string Name { get; init; } = "t" + Guid.NewGuid().ToString("N")[..12];

    public string Origin { get; init; } = "then";

    public void Decide(BranchGid gid, Decision decision, bool ended = false) => _verdicts[gid.Transaction] = new Known(decision, ended);

    public Task<(string Name, string Origin)> InstallationAsync(CancellationToken ct) => Task.FromResult((Name, Origin));

    public Task<IReadOnlyDictionary<Guid, Known>> AskAsync(IReadOnlyCollection<Guid> transactions, CancellationToken ct) =>
        Task.FromResult<IReadOnlyDictionary<Guid, Known>>(transactions.ToDictionary(t => t, t => _verdicts.GetValueOrDefault(t, new Known(Decision.Unknown, true))));
}
