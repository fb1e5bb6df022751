using Jobs.Transactions;

namespace Bank;

/// <summary>Whoever wants something: begins transfers and trips, a bounded number of them under way at a time, and waits for the end of each.</summary>
internal sealed class Teller(ITransactions transactions)
{
    /// <summary>Each has up to two prepared transactions on the server, and max_prepared_transactions bounds those.</summary>
    public const int TransfersAtOnce = 40;

    private const int TripsAtOnce = 4;
    private const long MostCents = 500_00;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <summary>All of them, side by side: transfers as fast as they go, and the trips spread over them.</summary>
    public async Task RunAsync(int transfers, int trips, CancellationToken ct)
    {
        var random = new Random(Chance.Seed);
        using var transferSlots = new SemaphoreSlim(TransfersAtOnce);
        using var tripSlots = new SemaphoreSlim(TripsAtOnce);
        List<Task> underWay = [];
        for (var (n, trip) = (1, 0); n <= transfers || trip < trips;)
        {
            if (trip < trips && (long)trip * transfers <= (long)(n - 1) * trips)
            {
                var saga = Trip(++trip, random);
                await tripSlots.WaitAsync(ct);
                underWay.Add(RunAsync(saga, tripSlots, ct));
            }
            else
            {
                var transfer = Transfer(n++, random);
                await transferSlots.WaitAsync(ct);
                underWay.Add(RunAsync(transfer, transferSlots, ct));
            }

            if (underWay.Count > 2 * (TransfersAtOnce + TripsAtOnce))
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
