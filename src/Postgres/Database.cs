using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Jobs.Postgres;

/// <summary>The connection pool of one process and the statements it may run.</summary>
internal sealed class Database : IAsyncDisposable, IDisposable
{
    private readonly JobsOptions _options;
    private readonly Lock _gate = new();
    private Task? _ready;

    public Database(IOptions<JobsOptions> options, ILogger<Database> log)
    {
        _options = options.Value;
        Log = log;
        Sql = new Statements(_options.Schema);
        var builder = new NpgsqlDataSourceBuilder(_options.Postgres);
        var settings = builder.ConnectionStringBuilder;
        settings.ApplicationName ??= _options.AppName;
        if (settings.MaxAutoPrepare == 0)
        {
            settings.MaxAutoPrepare = 60; // all hot statements of this room
            settings.AutoPrepareMinUsages = 2;
        }

        settings.NoResetOnClose = true; // a reset would undo what the initializer below sets; nothing here changes a connection's state
        if (settings.KeepAlive == 0)
        {
            settings.TcpKeepAlive = true;
            settings.TcpKeepAliveTime = 10;
            settings.TcpKeepAliveInterval = 5;
        }

        // A plan made while the hot table was small must not read all of it once it is large: every statement here has an index to go by. These settings
        // rule out scans of the table. A walk along the whole primary key is ruled out by joining with j.id = any(array[t.id]): only for an equality is
        // that order of use to the planner. tests/Engine/PlanTests holds the statements to it.
        builder.UsePhysicalConnectionInitializer(
            c => { using var set = new NpgsqlCommand(ByIndex, c); set.ExecuteNonQuery(); },
            async c => { await using var set = new NpgsqlCommand(ByIndex, c); await set.ExecuteNonQueryAsync(); });
        Source = builder.Build();
    }

    private const string ByIndex =
        "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off; set random_page_cost = 1.1; set plan_cache_mode = force_generic_plan";

    public NpgsqlDataSource Source { get; }

    public Statements Sql { get; }

    public ILogger Log { get; }

    public string Schema => _options.Schema;

    /// <summary>What the jobs of this process have as their origin, unless they came through it from elsewhere.</summary>
    public string Origin => $"app {_options.AppName}";

    /// <summary>As configured; the data source's own hides the password.</summary>
    public string ConnectionString => _options.Postgres;

    /// <summary>The schema is there and up to date. The first caller does the work; a failure is tried again by the next.</summary>
    public Task ReadyAsync(CancellationToken ct)
    {
        if (_ready is { IsCompletedSuccessfully: true })
        {
            return Task.CompletedTask;
        }

        lock (_gate)
        {
            if (_ready is null or { IsFaulted: true } or { IsCanceled: true })
            {
                _ready = Migrator.RunAsync(this, apply: _options.MigrateAtStart, CancellationToken.None);
            }

            return _ready.WaitAsync(ct);
        }
    }

    /// <summary>A command for the named statement with its parameters, in order. Disposing it returns its connection.</summary>
    public NpgsqlCommand Command(string statement, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = Source.CreateCommand(Sql[statement]);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        return command;
    }

    public void Dispose() => Source.Dispose();

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
