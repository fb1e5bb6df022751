using Jobs.Transactions;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.FaultHost;

/// <summary>Begins numbered transactions one after the other: <c>? N ID</c> is noted before each, <c>! N ID</c> when it has begun.</summary>
internal sealed class BeginnerRole(ITransactions transactions, FaultOptions options, IHostApplicationLifetime lifetime) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ledger = new LineFile(options.Ledger);
        for (var n = options.First + 1; n <= options.Last; n++)
        {
            var id = TransactionId.New();
            ledger.Append($"? {n} {id}");
            await transactions.BeginAsync(Transfers.Plan(n, id, TimeSpan.FromMinutes(5)), stoppingToken);
            ledger.Append($"! {n} {id}");
        }

        lifetime.StopApplication();
    }
}
