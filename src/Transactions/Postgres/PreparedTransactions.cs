using System.Data;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>
/// The verbs of a branch whose work is a prepared transaction of Postgres: the server keeps it, with its locks and through crashes of everybody, until it is told the decision. Each may be repeated.
///
/// What has to be prevented is a prepare that comes too late: one whose worker was taken for dead, and that ends its work after the branch was aborted. Nobody would ever ask for its end. So prepare and
/// abort compete for one row, <c>jobs_participant.branch</c> with the gid as its primary key. A prepare inserts it first thing in the transaction that it then prepares; an abort inserts it on its own, as
/// a tombstone. A unique index lets one of two inserts wait until the other's transaction has ended, which for a prepared one is the commit or rollback of it. Hence:
/// - The tombstone is committed first: the insert of every later prepare finds it and votes no.
/// - A prepare inserted first and is still working: the abort's insert waits, gives up after <see cref="TombstoneWait"/>, rolls back whatever is prepared by now, and tries again. It ends only with its
///   tombstone committed, so every transaction that had inserted before has ended by then, and all that come after find the tombstone. There is no third order.
/// - Two tries of one prepare: the second waits for the first, gives up after <see cref="PrepareWait"/> and looks again. If the first is prepared, that is a yes and the work is not done twice.
/// The row is part of the work: it becomes visible with COMMIT PREPARED and vanishes with ROLLBACK PREPARED. So it also tells a commit that is repeated (row there) from a prepared
/// transaction that somebody took away by hand or that a failover lost (no row), which is never passed over in silence.
/// </summary>
internal sealed class PreparedTransactions(NpgsqlDataSource source, ILogger log)
{
    private const int BusyTries = 40;
    private const int TombstoneTries = 10;
    private const int PrepareTries = 3;

    /// <summary>How long another session may be at the end of the same prepared transaction before it is looked at again; with <see cref="BusyTries"/>, 2 s in all.</summary>
    private static readonly TimeSpan BusyWait = TimeSpan.FromMilliseconds(50);

    /// <summary>Of an abort for a prepare that is still working; with <see cref="TombstoneTries"/>, 5 s in all before the abort fails and the platform repeats it.</summary>
    private static readonly TimeSpan TombstoneWait = TimeSpan.FromMilliseconds(500);

    /// <summary>Of a prepare for another try of it.</summary>
    private static readonly TimeSpan PrepareWait = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Does the work and prepares it, unless that has been done. <paramref name="work"/> is given a connection with an open transaction, which it must neither end nor leave failed. A vote of no, and every
    /// exception, rolls back and leaves nothing.
    /// </summary>
    /// <param name="gid">The branch.</param>
    /// <param name="work">See above.</param>
    /// <param name="ct">Cancelled when the job is to stop.</param>
    /// <param name="first">Nobody is known to have tried before, so that is not looked for; whoever has is met at the branch's row.</param>
    /// <exception cref="NoRoomException">The server has no room for one more prepared transaction. Try again, but not for long: see there.</exception>
    /// <exception cref="JobsException">Another try is still working, or the work ended its transaction or went on after an error. Try again.</exception>
    public async Task<Vote> PrepareAsync(BranchGid gid, Func<NpgsqlConnection, Task<Vote>> work, CancellationToken ct, bool first = false)
    {
        for (var n = first ? 0 : 1; n <= PrepareTries; n++)
        {
            if (n > 0)
            {
                var (prepared, known, buried) = await LookAsync(gid, ct);
                if (buried)
                {
                    log.PrepareRefused(gid.Value);
                    return Vote.No("The branch was aborted before it was prepared.");
                }

                if (prepared || known)
                {
                    return Vote.Yes; // by a try that did not live to say so
                }
            }

            await using var connection = await source.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            if (await EnterAsync(connection, gid, ct) is not { } entered)
            {
                continue; // the row was there, or somebody works on it
            }

            var vote = await work(connection);
            if (!vote.IsYes)
            {
                await transaction.RollbackAsync(ct);
                return vote;
            }

            await PrepareAsync(connection, gid, entered, ct);
            return vote;
        }

        throw new JobsException($"Another try of preparing {gid} is still at work in the database; this one has done nothing and is to be repeated.");
    }

    /// <summary>Makes the branch's work permanent.</summary>
    /// <exception cref="JobsException">It is neither prepared nor committed: somebody rolled it back by hand, or a failover lost it. Or another session is at its end for seconds.</exception>
    public async Task CommitAsync(BranchGid gid, CancellationToken ct)
    {
        if (await CommitPreparedAsync(gid, ct))
        {
            return;
        }

        var (prepared, known, buried) = await LookAsync(gid, ct);
        if (known && !buried)
        {
            return; // done before
        }

        if (prepared)
        {
            throw new JobsException($"{gid} was not found at first and is prepared now; the commit is to be repeated."); // an operator's doing, if anybody's
        }

        log.BranchLost(gid.Value, buried ? "it was aborted" : "there is no trace of it");
        throw new JobsException($"{gid} is to be committed and is not prepared: {(buried ? "it was aborted" : "there is no trace of it")} in this database. Somebody rolled it back by hand, or a failover "
            + "went to a server that had not got it. Its work has to be repaired by hand; see docs/TRANSACTIONS_POSTGRES.md.");
    }

    /// <summary>Undoes the branch's work, and makes sure that none is prepared later. Also when there is none.</summary>
    /// <exception cref="JobsException">A prepare is still at work after 5 s: repeat. Or the branch was committed, which somebody did by hand.</exception>
    public async Task AbortAsync(BranchGid gid, CancellationToken ct)
    {
        for (var n = 1; n <= TombstoneTries; n++)
        {
            await RollbackPreparedAsync(gid, ct);
            switch (await BuryAsync(gid, ct))
            {
                case true:
                    return;
                case false:
                    var (_, known, buried) = await LookAsync(gid, ct);
                    if (buried)
                    {
                        return; // done before
                    }

                    if (known)
                    {
                        log.BranchCommitted(gid.Value);
                        throw new JobsException($"{gid} is to be aborted, but is committed in this database: somebody did that by hand. Its work has to be undone by hand; see docs/TRANSACTIONS_POSTGRES.md.");
                    }

                    break;
                default:
                    break; // a prepare is at work, or prepared by now
            }
        }

        throw new JobsException($"{gid} cannot be aborted yet: a prepare of it is still at work in the database. The abort is to be repeated.");
    }

    /// <summary>False: nothing of this name is prepared.</summary>
    public async Task<bool> CommitPreparedAsync(BranchGid gid, CancellationToken ct)
    {
        CrashPoint.Hit("P3");
        var ended = await EndAsync($"commit prepared {gid.Literal}", gid, ct);
        CrashPoint.Hit("P4");
        return ended;
    }

    /// <summary>False: nothing of this name is prepared.</summary>
    public async Task<bool> RollbackPreparedAsync(BranchGid gid, CancellationToken ct)
    {
        CrashPoint.Hit("P5");
        var ended = await EndAsync($"rollback prepared {gid.Literal}", gid, ct);
        CrashPoint.Hit("P6");
        return ended;
    }

    /// <summary>These statements may not stand in a transaction, and take no parameter.</summary>
    private async Task<bool> EndAsync(string statement, BranchGid gid, CancellationToken ct)
    {
        for (var n = 1; ; n++)
        {
            try
            {
                await using var command = source.CreateCommand(statement);
                await command.ExecuteNonQueryAsync(ct);
                return true;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UndefinedObject)
            {
                return false;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ObjectNotInPrerequisiteState)
            {
                if (n == BusyTries)
                {
                    throw new JobsException($"Another session has been ending {gid} for {BusyTries * BusyWait.TotalSeconds:0} s: {e.MessageText}. To be repeated.", e);
                }

                await Task.Delay(BusyWait, ct);
            }
        }
    }

    private async Task<(bool Prepared, bool Known, bool Buried)> LookAsync(BranchGid gid, CancellationToken ct)
    {
        await using var command = source.Participant("look_at_branch", gid.Value);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return (reader.GetBoolean(0), reader.GetBoolean(1), reader.GetBoolean(2));
    }

    /// <summary>The row of the branch as the first write of the transaction. Returns the transaction's number; null when the row is there or somebody holds it.</summary>
    private static async Task<string?> EnterAsync(NpgsqlConnection connection, BranchGid gid, CancellationToken ct)
    {
        try
        {
            await using var enter = Within(connection, PrepareWait, "enter_branch_if_new", gid);
            enter.BatchCommands.Add(new NpgsqlBatchCommand("set local lock_timeout to default")); // the work waits as the connection says
            return (string?)await enter.ExecuteScalarAsync(ct);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return null;
        }
    }

    /// <summary>
    /// Prepares, if the transaction is still the one that wrote the row and has not failed; that is asked on the way. Postgres answers <c>prepare transaction</c> in a failed one, or in none, with a rollback and
    /// no error: a yes would be voted for nothing.
    /// </summary>
    private async Task PrepareAsync(NpgsqlConnection connection, BranchGid gid, string entered, CancellationToken ct)
    {
        try
        {
            await using var prepare = new NpgsqlBatch(connection)
            {
                BatchCommands =
                {
                    new NpgsqlBatchCommand(ParticipantSql.Text("fail_if_another_transaction")) { Parameters = { new NpgsqlParameter { Value = entered } } },
                    new NpgsqlBatchCommand($"prepare transaction {gid.Literal}"),
                },
            };
            CrashPoint.Hit("P1");
            await prepare.ExecuteNonQueryAsync(ct);
            CrashPoint.Hit("P2");
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InFailedSqlTransaction)
        {
            throw new JobsException($"The work of {gid} voted yes after one of its statements had failed, so Postgres would prepare nothing. Let the exception through, vote no, or use a savepoint.", e);
        }
        catch (PostgresException e) when (e is { SqlState: PostgresErrorCodes.DivisionByZero, Where: null })
        {
            // Ours; that of a deferred trigger, of which prepare is the first to hear, says where it happened.
            throw new JobsException($"The work of {gid} ended the transaction that it was given. It must not commit or roll back: what it wrote is committed when all branches have voted yes.", e);
        }
        catch (PostgresException e) when (e is { SqlState: PostgresErrorCodes.OutOfMemory, Routine: "MarkAsPreparing" } or { SqlState: PostgresErrorCodes.ObjectNotInPrerequisiteState })
        {
            // Used up (Postgres calls that out of memory, as it calls other things; the place in its sources tells which), or set to 0.
            log.NoRoomToPrepare(gid.Value, e.MessageText);
            throw new NoRoomException($"{gid} cannot be prepared: {e.MessageText}. {ParticipantDatabase.Remedy}", e);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DuplicateObject)
        {
            // Our row excludes a second one in this database, so this is another database of the server: prepared there, and not here.
            throw new JobsException($"{gid} is prepared in another database of this server. A branch belongs to one database: was the participant's connection string changed meanwhile?", e);
        }
    }

    /// <summary>True: the tombstone is written. False: a row is there. Null: somebody holds one that is not committed.</summary>
    private async Task<bool?> BuryAsync(BranchGid gid, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, ct);
        try
        {
            await using var bury = Within(connection, TombstoneWait, "bury_branch_if_new", gid);
            var written = await bury.ExecuteNonQueryAsync(ct) > 0;
            CrashPoint.Hit("P7");
            await transaction.CommitAsync(ct);
            CrashPoint.Hit("P8");
            return written;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return null;
        }
    }

    /// <summary>A statement on the branch's row that gives up (55P03) when somebody holds it for too long; in one round trip, because a lock is held from then on.</summary>
    private static NpgsqlBatch Within(NpgsqlConnection connection, TimeSpan wait, string name, BranchGid gid) => new(connection)
    {
        BatchCommands =
        {
            new NpgsqlBatchCommand($"set local lock_timeout to {wait.TotalMilliseconds:0}"),
            new NpgsqlBatchCommand(ParticipantSql.Text(name)) { Parameters = { new NpgsqlParameter { Value = gid.Value } } },
        },
    };
}
