using Npgsql;

namespace Jobs.Transactions;

/// <summary>
/// A participant whose work is what it writes into one Postgres database: kept there as a prepared transaction from the yes to the decision. Derive, write <see cref="WorkAsync"/>, and nothing else: repetitions,
/// crashes at any point and late comers are taken care of.
/// </summary>
/// <param name="database">The database, by its name: <c>[FromKeyedServices("bank")] ParticipantDatabase bank</c>.</param>
public abstract class PostgresParticipant<TBranch>(ParticipantDatabase database) : ITransactionParticipant<TBranch>
{
    /// <summary>With the default delays between them, about 3 s.</summary>
    private const int TriesForRoom = 5;

    /// <summary>
    /// The work, in the transaction that is open on <paramref name="connection"/>. It must not end that transaction, and what Postgres cannot prepare must not be in it: temporary tables, LISTEN and NOTIFY, cursors
    /// WITH HOLD, session-level advisory locks. Nobody sees what it writes before the commit; whatever it locked is locked until then.
    /// </summary>
    /// <returns>Yes: prepared, and then nothing can prevent its commit but the loss of the database. No: rolled back, nothing stays. An exception rolls back too, and the work is tried again.</returns>
    /// <param name="branch">The branch's payload.</param>
    /// <param name="connection">Of the participant's database.</param>
    /// <param name="context">Which transaction and which call.</param>
    /// <param name="ct">Cancelled when the job is to stop.</param>
    protected abstract Task<Vote> WorkAsync(TBranch branch, NpgsqlConnection connection, BranchContext context, CancellationToken ct);

    /// <inheritdoc/>
    public async Task<Vote> PrepareAsync(TBranch branch, BranchContext context, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(context);
        try
        {
            return await database.Verbs.PrepareAsync(await database.GidAsync(context, ct), connection => WorkAsync(branch, connection, context, ct), ct, context.IsFirst);
        }
        catch (NoRoomException e) when (context.Attempt >= TriesForRoom)
        {
            return Vote.No(e.Message);
        }
    }

    /// <inheritdoc/>
    public async Task CommitAsync(TBranch branch, BranchContext context, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(context);
        await database.Verbs.CommitAsync(await database.GidAsync(context, ct), ct);
    }

    /// <inheritdoc/>
    public async Task AbortAsync(TBranch branch, BranchContext context, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(context);
        await database.Verbs.AbortAsync(await database.GidAsync(context, ct), ct);
    }
}
