using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

public sealed class WatchTests
{
    [Theory]
    [InlineData(30, 1000, TransactionMode.TwoPhase, 30)]
    [InlineData(3000, 10_000, TransactionMode.TwoPhase, 45)] // what it holds prepared is not in doubt for a minute because an answer was lost
    [InlineData(3000, 10_000, TransactionMode.Saga, 600)]
    [InlineData(3000, 20, TransactionMode.Saga, 20)]
    [InlineData(3000, -20, TransactionMode.TwoPhase, 45)]
    public void A_transaction_is_looked_at_ever_more_rarely_and_at_its_deadline(int wait, int left, TransactionMode mode, int next) =>
        Assert.Equal(TimeSpan.FromSeconds(next), WatchEntry.Next(TimeSpan.FromSeconds(wait), TimeSpan.FromSeconds(left), mode));
}
