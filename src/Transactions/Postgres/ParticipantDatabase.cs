using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>
/// A database whose work can be part of transactions. Registered by name with <c>AddParticipantDatabase</c>; a <see cref="PostgresParticipant{TBranch}"/> asks for it with <c>[FromKeyedServices("NAME")]</c>.
/// </summary>
public sealed class ParticipantDatabase : IDisposable, IAsyncDisposable
{
    internal const string Remedy = "Set max_prepared_transactions in postgresql.conf to more than the branches that are under way on this server at one time, and restart Postgres; or look for prepared "
        + "transactions that nobody ends (pg_prepared_xacts).";

    private readonly IDecisions _decisions;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private Task<string>? _ready;

    internal ParticipantDatabase(string name, NpgsqlDataSource source, ParticipantDatabaseOptions options, IDecisions decisions, ILogger<ParticipantDatabase> log)
    {
        var faults = options.Faults(name).ToList();
        if (faults.Count > 0)
        {
            throw new ArgumentException(string.Join(' ', faults), nameof(options));
        }

        (Name, Source, Options, _decisions, _log) = (name, source, options, decisions, log);
        Verbs = new PreparedTransactions(source, log);
    }

    /// <summary>Under which it was registered.</summary>
    public string Name { get; }

    internal NpgsqlDataSource Source { get; }

    internal ParticipantDatabaseOptions Options { get; }

    internal PreparedTransactions Verbs { get; }

    /// <summary>Closes its connections.</summary>
    public void Dispose() => Source.Dispose();

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync() => Source.DisposeAsync();

    /// <summary>The branch's name in this database, once that was found fit. The first caller does the looking; a failure is tried again by the next.</summary>
    internal async Task<BranchGid> GidAsync(BranchContext context, CancellationToken ct) => new(await ReadyAsync(ct), context.Transaction.Value, context.Branch);

    /// <summary>The server can prepare, the tables are there, and no other installation uses this one's name here. Returns that name.</summary>
    /// <exception cref="JobsException">One of that is not so; the message says what to do.</exception>
    internal Task<string> ReadyAsync(CancellationToken ct)
    {
        lock (_gate)
        {
            if (_ready is null or { IsFaulted: true } or { IsCanceled: true })
            {
                _ready = FindReadyAsync();
            }

            return _ready.WaitAsync(ct);
        }
    }

    private async Task<string> FindReadyAsync()
    {
        await using (var read = Source.Participant("read_room"))
        await using (var room = await read.ExecuteReaderAsync())
        {
            await room.ReadAsync();
            var (most, prepared) = (room.GetInt32(0), room.GetInt32(1));
            if (most < Options.PreparedTransactions)
            {
                throw new JobsException($"The server of participant database \"{Name}\" has max_prepared_transactions = {most}, and at least {Options.PreparedTransactions} are wanted "
                    + $"({nameof(ParticipantDatabaseOptions)}.{nameof(ParticipantDatabaseOptions.PreparedTransactions)}). Set it in postgresql.conf and restart Postgres.");
            }

            _log.ParticipantReady(Name, most, prepared);
        }

        await CreateAsync();
        var (name, origin) = await _decisions.InstallationAsync(CancellationToken.None);
        string? owner = null;
        while (owner is null) // nothing: another process of ours was writing it just then
        {
            await using var claim = Source.Participant("claim_installation", name, origin);
            owner = (string?)await claim.ExecuteScalarAsync();
        }

        return owner == origin ? name : throw new JobsException(
            $"Participant database \"{Name}\" belongs to another installation with the same schema name \"{name}\" (made at {owner}; this one at {origin}). Each would take the other's prepared transactions for "
            + $"its own and roll them back. Give this one another schema (JobsOptions.Schema); or, if the other is gone and has left nothing in pg_prepared_xacts that begins with {BranchGid.Prefix(name)}, "
            + $"delete its row from jobs_participant.installation.");
    }

    private async Task CreateAsync()
    {
        await using (var have = Source.Participant("have_tables"))
        {
            if ((bool)(await have.ExecuteScalarAsync())!)
            {
                return;
            }
        }

        if (!Options.CreateTables)
        {
            throw new JobsException($"Participant database \"{Name}\" has no tables jobs_participant.branch and jobs_participant.installation, and {nameof(ParticipantDatabaseOptions.CreateTables)} is off. "
                + "Create them as docs/TRANSACTIONS_POSTGRES.md says.");
        }

        await using var create = Source.Participant("create_tables"); // several statements, so one transaction
        await create.ExecuteNonQueryAsync();
    }
}
