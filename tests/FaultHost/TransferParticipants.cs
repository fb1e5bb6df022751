using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Jobs.Tests.FaultHost;

/// <summary>Where the test stops calls of participants: each waits while there is a file <c>hold.VERB</c>, whatever becomes of its token.</summary>
internal sealed class Holds(string folder, TimeProvider time)
{
    public async Task PassAsync(string verb)
    {
        while (File.Exists(Path.Combine(folder, $"hold.{verb}")))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), time, CancellationToken.None);
        }
    }
}

internal abstract class HeldParticipant<TBranch>(PostgresParticipant<TBranch> work, Holds holds) : ITransactionParticipant<TBranch>
{
    public async Task<Vote> PrepareAsync(TBranch branch, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("prepare");
        return await work.PrepareAsync(branch, context, CancellationToken.None); // the sterner kind: one that comes late
    }

    public async Task CommitAsync(TBranch branch, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("commit");
        await work.CommitAsync(branch, context, ct);
    }

    public async Task AbortAsync(TBranch branch, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("abort");
        await work.AbortAsync(branch, context, ct);
    }
}

internal sealed class DebitParticipant([FromKeyedServices("a")] ParticipantDatabase a, Holds holds, TimeProvider time) : HeldParticipant<Debit>(new Work(a, time), holds)
{
    private sealed class Work(ParticipantDatabase a, TimeProvider time) : PostgresParticipant<Debit>(a)
    {
        protected override async Task<Vote> WorkAsync(Debit branch, NpgsqlConnection connection, BranchContext context, CancellationToken ct)
        {
            await Sql.MoveAsync(connection, context, branch.Account, -branch.Amount);
            await Task.Delay(TimeSpan.FromMilliseconds(branch.Ms), time, ct);
            return branch.Refuses ? Vote.No("This debit was to refuse.") : Vote.Yes;
        }
    }
}

internal sealed class CreditParticipant([FromKeyedServices("b")] ParticipantDatabase b, Holds holds, TimeProvider time) : HeldParticipant<Credit>(new Work(b, time), holds)
{
    private sealed class Work(ParticipantDatabase b, TimeProvider time) : PostgresParticipant<Credit>(b)
    {
        protected override async Task<Vote> WorkAsync(Credit branch, NpgsqlConnection connection, BranchContext context, CancellationToken ct)
        {
            await Sql.MoveAsync(connection, context, branch.Account, branch.Amount);
            await Task.Delay(TimeSpan.FromMilliseconds(branch.Ms), time, ct);
            return branch.Refuses ? Vote.No("This credit was to refuse.") : Vote.Yes;
        }
    }
}

/// <summary>By hand what docs/TRANSACTIONS.md asks of a participant: repeatable verbs, a fence, an abort before its prepare.</summary>
internal sealed class NoteParticipant([FromKeyedServices("b")] NpgsqlDataSource b, Holds holds) : ITransactionParticipant<Note>
{
    public async Task<Vote> PrepareAsync(Note branch, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("note");
        if (branch.Refuses)
        {
            return Vote.No("This note was to refuse.");
        }

        var state = await Sql.AskAsync(b, """
            insert into note values ($1, $2, $3, 'prepared')
            on conflict (transaction) do update set fence = excluded.fence where note.fence <= excluded.fence returning state
            """, context);
        return state == "aborted" ? Vote.No("It was aborted before.") : Vote.Yes;
    }

    public async Task CommitAsync(Note branch, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("commit");
        if (await Sql.AskAsync(b, "update note set state = case state when 'prepared' then 'committed' else state end, fence = $3 where transaction = $1 and branch = $2 and fence <= $3 returning state", context) != "committed")
        {
            await Sql.FaultAsync(b, context, "commit of what was aborted");
        }
    }

    public async Task AbortAsync(Note branch, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("abort");
        if (await Sql.AskAsync(b, """
            insert into note values ($1, $2, $3, 'aborted')
            on conflict (transaction) do update set fence = excluded.fence, state = case note.state when 'prepared' then 'aborted' else note.state end where note.fence <= excluded.fence returning state
            """, context) != "aborted")
        {
            await Sql.FaultAsync(b, context, "abort of what was committed");
        }
    }
}

internal sealed class BookStep([FromKeyedServices("b")] NpgsqlDataSource b, Holds holds) : ISagaStep<Book>
{
    public async Task<Vote> RunAsync(Book step, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("run");
        if (step.Refuses)
        {
            return Vote.No("This step was to refuse.");
        }

        if (await Sql.AskAsync(b, """
            insert into booking values ($1, $2, $3, 'done')
            on conflict (transaction, branch) do update set fence = excluded.fence where booking.fence <= excluded.fence returning state
            """, context) != "done")
        {
            await Sql.FaultAsync(b, context, "run after it was undone");
        }

        return Vote.Yes;
    }

    public async Task CompensateAsync(Book step, BranchContext context, CancellationToken ct)
    {
        await holds.PassAsync("undo");
        await Sql.AskAsync(b, """
            insert into booking values ($1, $2, $3, 'undone')
            on conflict (transaction, branch) do update set fence = excluded.fence, state = 'undone' where booking.fence <= excluded.fence returning state
            """, context);
    }
}

internal sealed class TellStep([FromKeyedServices("b")] NpgsqlDataSource b) : ISagaStep<Tell>
{
    public async Task<Vote> RunAsync(Tell step, BranchContext context, CancellationToken ct)
    {
        await Sql.AskAsync(b, "insert into booking values ($1, $2, $3, 'done') on conflict (transaction, branch) do update set fence = excluded.fence returning state", context);
        return Vote.Yes;
    }

    public Task CompensateAsync(Tell step, BranchContext context, CancellationToken ct) => Sql.FaultAsync(b, context, "what needs no compensation was compensated");
}

/// <summary>What is written into the participants' databases, outside of the platform.</summary>
internal static class Sql
{
    /// <summary>Their tables. The keys let nothing be done twice, and nothing takes more than there is.</summary>
    public static readonly string Tables = $"""
        create table account (name text primary key, balance bigint not null check (balance >= 0));
        insert into account select n::text, {Transfers.Balance} from generate_series(0, {Transfers.Accounts - 1}) n;
        create table moved (transaction uuid primary key, branch integer not null, account text not null, amount bigint not null);
        create table note (transaction uuid primary key, branch integer not null, fence bigint not null, state text not null);
        create table booking (transaction uuid not null, branch integer not null, fence bigint not null, state text not null, primary key (transaction, branch));
        create table fault (transaction uuid, branch integer, fence bigint, what text);
        """;

    public static async Task MoveAsync(NpgsqlConnection connection, BranchContext context, string account, long amount)
    {
        await using var move = new NpgsqlCommand("with m as (insert into moved values ($1, $2, $3, $4)) update account set balance = balance + $4 where name = $3", connection);
        foreach (var value in new object[] { context.Transaction.Value, context.Branch, account, amount })
        {
            move.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        await move.ExecuteNonQueryAsync(CancellationToken.None);
    }

    /// <summary>One guarded write: parameters transaction, branch, fence.</summary>
    /// <exception cref="InvalidOperationException">A later call has been here: this one is refused.</exception>
    public static async Task<string> AskAsync(NpgsqlDataSource source, string sql, BranchContext context)
    {
        await using var command = source.CreateCommand(sql);
        foreach (var value in new object[] { context.Transaction.Value, context.Branch, context.Fence })
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return (string?)await command.ExecuteScalarAsync(CancellationToken.None) ?? throw new InvalidOperationException($"The fence {context.Fence} is lower than one seen before.");
    }

    public static Task FaultAsync(NpgsqlDataSource source, BranchContext context, string what) =>
        AskAsync(source, $"insert into fault values ($1, $2, $3, '{what}') returning what", context);
}
