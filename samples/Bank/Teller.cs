using Jobs.Transactions;

namespace Bank;

/// <summary>Whoever wants something: begins transfers and trips, a bounded number of them under way at a time, and waits for the end of each.</summary>
internal sealed class Teller(ITransactions transactions)
{
    /// <summary>Each has up to two prepared transactions on the server, and max_prepared_transactions bounds those.</summary>
    public const int TransfersAtOnce = 40;

    private const int TripsAtOnce = 4; // so they last about as long as the transfers
    private const long MostCents = 500_00;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <summary>Transfers as fast as they go, and trips as fast as those.</summary>
    public Task RunAsync(int transfers, int trips, CancellationToken ct) => Task.WhenAll(
        RunAsync(transfers, TransfersAtOnce, Transfer, new Random(Chance.Seed), ct),
        RunAsync(trips, TripsAtOnce, Trip, new Random(~Chance.Seed), ct));

    private async Task RunAsync(int count, int atOnce, Func<int, Random, TransactionPlan> plan, Random random, CancellationToken ct)
    {
        using var slots = new SemaphoreSlim(atOnce);
        List<Task> underWay = [];
        for (var n = 1; n <= count; n++)
        {
            await slots.WaitAsync(ct);
            underWay.Add(RunAsync(plan(n, random), slots, ct));
            if (underWay.Count > 2 * atOnce)
            {
                underWay.RemoveAll(t => t.IsCompletedSuccessfully);
                await Task.WhenAll(underWay.Where(t => t.IsFaulted));
            }
        }

        await Task.WhenAll(underWay);
    }

    private async Task RunAsync(TransactionPlan plan, SemaphoreSlim slots, CancellationToken ct)
    {
        try
        {
            var id = await transactions.BeginAsync(plan, ct);
            await transactions.WaitAsync(id, Timeout.InfiniteTimeSpan, ct);
        }
        finally
        {
            slots.Release();
        }
    }

    private static TwoPhase Transfer(int number, Random random)
    {
        var (a, b, cents, toB) = (random.Next(BankDatabase.Accounts) + 1, random.Next(BankDatabase.Accounts) + 1, random.NextInt64(MostCents) + 1, random.Next(2) == 0);
        var id = TransactionId.New();
        return new TwoPhase("transfer") { Id = id, Timeout = Deadline }
            .Add(new PostAtA(id.Value, a, toB ? -cents : cents))
            .Add(new PostAtB(id.Value, b, toB ? cents : -cents))
            .Add(toB ? new Note(number, $"a{a}", $"b{b}", cents) : new Note(number, $"b{b}", $"a{a}", cents));
    }

    private static Saga Trip(int number, Random random) => new Saga("trip")
        .Then(new BookFlight(number, $"flight {random.Next(TripDatabase.Flights) + 1}"))
        .And(new BookHotel(number, $"hotel {random.Next(TripDatabase.Hotels) + 1}"))
        .Then(new Charge(number, "card", random.NextInt64(MostCents) + 1))
        .Then(new SendTickets(number, "tickets"), new StepOptions { Forward = true });
}
