using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Producer;

/// <summary>
/// Where transactions are looked at and decided by hand. An order is a row with who gave it and why; a job tells the coordinators of it, so that this needs no bus, and nothing is lost while the broker is away.
/// </summary>
internal sealed class TransactionDesk(TransactionOrderStore orders, TransactionStore store, TicketPublisher tickets, ILogger<TransactionDesk> log)
{
    public const int MaxReason = 2000;

    public Task<List<TransactionLine>> ListAsync(TransactionFilter filter, int limit, Guid? below, CancellationToken ct) => orders.ListAsync(filter, limit, below, ct);

    public Task<SeenTransaction?> FindAsync(Guid id, CancellationToken ct) => store.FindAsync(id, ct);

    public Task<List<TransactionOrder>> OrdersAsync(Guid id, CancellationToken ct) => orders.OrdersAsync(id, ct);

    /// <summary>Decides to abort.</summary>
    /// <returns>False: it was decided before that it commits. True: it aborts, or has.</returns>
    /// <exception cref="JobsException">There is no such transaction.</exception>
    public async Task<bool> AbortAsync(Guid id, string text, Doer doer, CancellationToken ct)
    {
        if (await orders.AbortIfUndecidedAsync(id, text, doer, WatchJob.Of(id, null, once: true), ct) is { } sent)
        {
            CrashPoint.Hit("T6");
            log.Ordered(id, "abort", "all", doer.By, doer.Reason ?? "no reason given");
            await tickets.SendAsync(sent, ct);
            return true;
        }

        var seen = await FindAsync(id, ct) ?? throw Missing(id);
        if (seen is { Decision: "abort", DecidedAt: null } && await orders.TellAsync(WatchJob.Of(id, null, once: true), ct) is { } again) // no coordinator has heard of it yet
        {
            await tickets.SendAsync(again, ct);
        }

        return seen.Decision == "abort";
    }

    /// <summary>Has a parked branch, or all of them, tried again.</summary>
    /// <returns>Which; none: none is parked.</returns>
    public Task<IReadOnlyList<int>> RetryAsync(Guid id, int? branch, Doer doer, CancellationToken ct) => OrderAsync(id, branch, "retry", doer, ct);

    /// <summary>Declares a parked branch to be done by hand.</summary>
    /// <returns>False: it is not parked.</returns>
    public async Task<bool> SettleAsync(Guid id, int branch, Doer doer, CancellationToken ct) => (await OrderAsync(id, branch, "settle", doer, ct)).Count > 0;

    /// <exception cref="ArgumentException">It is empty, too long, or holds a NUL.</exception>
    public static void CheckReason(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        if (reason.Length > MaxReason || reason.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException($"The reason has {reason.Length} characters; at most {MaxReason} are allowed, and no NUL.", nameof(reason));
        }
    }

    /// <exception cref="JobsException">It is not parked, or there is none.</exception>
    public static void CheckParked(Guid id, IEnumerable<(int Number, string State)> branches, int branch)
    {
        var all = branches.ToList();
        var found = all.Find(b => b.Number == branch);
        if (found.State is null)
        {
            throw new JobsException($"Transaction {id} has no branch {branch}; it has {all.Count}.");
        }

        if (found.State != "parked")
        {
            throw new JobsException($"Branch {branch} of transaction {id} is not parked, but {found.State}: nobody has to settle it.");
        }
    }

    public static JobsException Missing(Guid id) => new($"There is no transaction {id}.");

    private async Task<IReadOnlyList<int>> OrderAsync(Guid id, int? branch, string verb, Doer doer, CancellationToken ct)
    {
        var (branches, sent) = await orders.OrderIfParkedAsync(id, branch, verb, doer, WatchJob.Of(id, null, once: true), ct);
        if (branches.Count > 0)
        {
            log.Ordered(id, verb, string.Join(", ", branches), doer.By, doer.Reason ?? "no reason given");
            await tickets.SendAsync(sent, ct);
        }

        return branches;
    }
}
