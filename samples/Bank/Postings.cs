using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Bank;

/// <summary>One bank's half of a transfer.</summary>
/// <param name="Transfer">The id of the transaction: under it the bank keeps what it has applied.</param>
/// <param name="Account">From 1.</param>
/// <param name="Cents">What the account gets; negative: what it gives.</param>
public abstract record Posting(Guid Transfer, int Account, long Cents);

[TransactionBranch("bank.a", Queue = "bank-a")]
public sealed record PostAtA(Guid Transfer, int Account, long Cents) : Posting(Transfer, Account, Cents);

[TransactionBranch("bank.b", Queue = "bank-b")]
public sealed record PostAtB(Guid Transfer, int Account, long Cents) : Posting(Transfer, Account, Cents);

/// <summary>
/// Both banks do the same, each in its own database. The account's row stays locked from here to the end of the transfer. Another transfer that wants it waits for <c>lock_timeout</c> and then votes no: two transfers
/// that hold one account each, in different databases, and want the other's, would wait for one another until the deadline.
/// </summary>
internal abstract class PostingParticipant<T>(ParticipantDatabase bank) : PostgresParticipant<T>(bank)
    where T : Posting
{
    protected sealed override async Task<Vote> WorkAsync(T posting, NpgsqlConnection connection, BranchContext context, CancellationToken ct)
    {
        await using var post = new NpgsqlCommand("""
            with changed as (update account set balance = balance + $3 where number = $2 and balance + $3 >= 0 returning number)
            insert into applied (transfer, account, cents) select $1, number, $3 from changed
            """, connection)
        {
            Parameters = { new() { Value = posting.Transfer }, new() { Value = posting.Account }, new() { Value = posting.Cents } },
        };
        try
        {
            return await post.ExecuteNonQueryAsync(ct) > 0 ? Vote.Yes : Vote.No("too little money");
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            return Vote.No("account busy");
        }
    }
}

internal sealed class BankA([FromKeyedServices("a")] ParticipantDatabase bank) : PostingParticipant<PostAtA>(bank);

internal sealed class BankB([FromKeyedServices("b")] ParticipantDatabase bank) : PostingParticipant<PostAtB>(bank);
