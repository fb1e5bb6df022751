using Jobs.Transactions;

namespace Bank;

/// <summary>A transfer as the ledger notes it.</summary>
/// <param name="Number">Of the transfer, from 1.</param>
/// <param name="From">For example <c>a17</c>.</param>
/// <param name="To">For example <c>b4</c>.</param>
/// <param name="Cents">More than 0.</param>
[TransactionBranch("ledger", Queue = "ledger")]
public sealed record Note(int Number, string From, string To, long Cents);

/// <summary>
/// A participant without any database: a service that keeps its books in a file. Its yes is a line that is on the disk; so are its commit and its abort. It refuses some transfers for no reason but the dice.
/// </summary>
internal sealed class Ledger(LedgerFile file) : ITransactionParticipant<Note>
{
    private const double RefusedShare = 0.04;

    public async Task<Vote> PrepareAsync(Note note, BranchContext context, CancellationToken ct)
    {
        var refused = Chance.Strikes(RefusedShare, "ledger", note.Number);
        var now = await file.WriteAsync(refused ? LedgerVerb.Refuse : LedgerVerb.Prepare, context.Transaction.Value, context.Fence, note, ct);
        return now is LedgerVerb.Prepare or LedgerVerb.Commit ? Vote.Yes : Vote.No(now == LedgerVerb.Refuse ? "refused by the ledger" : "aborted before");
    }

    public async Task CommitAsync(Note note, BranchContext context, CancellationToken ct)
    {
        if (await file.WriteAsync(LedgerVerb.Commit, context.Transaction.Value, context.Fence, note, ct) != LedgerVerb.Commit)
        {
            throw new InvalidOperationException($"Transfer {note.Number} is to be committed and was never prepared, or was aborted: the ledger has broken its promise, or lost its file.");
        }
    }

    public async Task AbortAsync(Note note, BranchContext context, CancellationToken ct)
    {
        if (await file.WriteAsync(LedgerVerb.Abort, context.Transaction.Value, context.Fence, note, ct) == LedgerVerb.Commit)
        {
            throw new InvalidOperationException($"Transfer {note.Number} is to be aborted and is committed.");
        }
    }
}
