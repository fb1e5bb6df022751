using FileIndex;
using Jobs.Transactions;
using Npgsql;

namespace Bank;

/// <summary>One thing that a trip books. It is booked for good at once, and cancelled if the trip fails.</summary>
/// <param name="Trip">Its number, from 1.</param>
/// <param name="Offer">What is booked: a flight, a hotel.</param>
public abstract record Booking(int Trip, string Offer);

[TransactionBranch("trip.flight", Queue = "trips", Compensation = Compensation.ByStep)]
public sealed record BookFlight(int Trip, string Offer) : Booking(Trip, Offer);

[TransactionBranch("trip.hotel", Queue = "trips", Compensation = Compensation.ByStep)]
public sealed record BookHotel(int Trip, string Offer) : Booking(Trip, Offer);

[TransactionBranch("trip.charge", Queue = "trips", Compensation = Compensation.ByStep)]
public sealed record Charge(int Trip, string Offer, long Cents) : Booking(Trip, Offer);

/// <summary>The last step: when it runs the trip is paid for, so it is only ever tried again.</summary>
[TransactionBranch("trip.tickets", Queue = "trips", Compensation = Compensation.NoneNeeded)]
public sealed record SendTickets(int Trip, string Offer) : Booking(Trip, Offer);

/// <summary>
/// Books one of what is offered, if there is any left. Both verbs begin with the fence, in the transaction that does the work: a run that was overtaken by its compensation books nothing any more.
/// </summary>
internal abstract class BookingStep<T>(TripDatabase trips, BranchFence fence) : ISagaStep<T>
    where T : Booking
{
    /// <summary>Of calls that fail for no reason, as services do.</summary>
    private const double FailingShare = 0.05;

    public async Task<Vote> RunAsync(T step, BranchContext context, CancellationToken ct)
    {
        if (Chance.Strikes(FailingShare, $"{context.Kind} {context.Attempt}", step.Trip))
        {
            throw new IOException("The other side does not answer.");
        }

        await using var connection = await trips.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await PassAsync(context, transaction, ct);
        if (Refusal(step) is { } reason)
        {
            await transaction.CommitAsync(ct);
            return Vote.No(reason);
        }

        // The booking's key makes a repetition find it; only who writes it takes one of the offer.
        await using var book = new NpgsqlCommand("""
            with taken as (update offer set free = free - 1 where name = $4 and free > 0 and not exists (select from booking where key = $1) returning name)
            insert into booking (key, transaction, kind, offer) select $1, $2, $3, name from taken on conflict do nothing
            """, connection)
        {
            Parameters = { new() { Value = context.IdempotencyKey }, new() { Value = context.Transaction.Value }, new() { Value = context.Kind }, new() { Value = step.Offer } },
        };
        var booked = await book.ExecuteNonQueryAsync(ct) > 0 || await IsBookedAsync(connection, context, ct);
        await transaction.CommitAsync(ct);
        return booked ? Vote.Yes : Vote.No($"{step.Offer.Split(' ')[0]} full");
    }

    public async Task CompensateAsync(T step, BranchContext context, CancellationToken ct)
    {
        await using var connection = await trips.Source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await PassAsync(context, transaction, ct);
        await using var cancel = new NpgsqlCommand("""
            with cancelled as (update booking set cancelled = true where key = $1 and not cancelled returning offer)
            update offer set free = free + 1 from cancelled where name = cancelled.offer
            """, connection)
        {
            Parameters = { new() { Value = context.IdempotencyKey } },
        };
        await cancel.ExecuteNonQueryAsync(ct);
        await transaction.CommitAsync(ct);
    }

    /// <summary>Why not; null: no reason.</summary>
    protected virtual string? Refusal(T step) => null;

    private async Task PassAsync(BranchContext context, NpgsqlTransaction transaction, CancellationToken ct)
    {
        if (!await fence.PassAsync(context, transaction, ct))
        {
            throw new InvalidOperationException($"A later call of {context.IdempotencyKey} has been here.");
        }
    }

    private static async Task<bool> IsBookedAsync(NpgsqlConnection connection, BranchContext context, CancellationToken ct)
    {
        await using var look = new NpgsqlCommand("select 1 from booking where key = $1 and not cancelled", connection) { Parameters = { new() { Value = context.IdempotencyKey } } };
        return await look.ExecuteScalarAsync(ct) is not null;
    }
}

internal sealed class FlightStep(TripDatabase trips, BranchFence fence) : BookingStep<BookFlight>(trips, fence);

internal sealed class HotelStep(TripDatabase trips, BranchFence fence) : BookingStep<BookHotel>(trips, fence);

internal sealed class ChargeStep(TripDatabase trips, BranchFence fence) : BookingStep<Charge>(trips, fence)
{
    private const double DeclinedShare = 0.1;

    protected override string? Refusal(Charge step) => Chance.Strikes(DeclinedShare, "charge", step.Trip) ? "card declined" : null;
}

internal sealed class TicketStep(TripDatabase trips, BranchFence fence) : BookingStep<SendTickets>(trips, fence);

/// <summary>The travel agency's own tables, beside those of the jobs: that is where <see cref="BranchFence"/> keeps late calls out.</summary>
internal sealed class TripDatabase : IAsyncDisposable
{
    public const int Flights = 10, Hotels = 10;

    public NpgsqlDataSource Source { get; } = Open();

    public static NpgsqlDataSource Open() =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Servers.Postgres) { SearchPath = Servers.Schema, MaxPoolSize = 10, MaxAutoPrepare = 20, AutoPrepareMinUsages = 2 });

    /// <summary>With about as many seats as trips, and fewer rooms: some will be full.</summary>
    public static async Task CreateAsync(NpgsqlDataSource database, int trips, CancellationToken ct)
    {
        var (seats, rooms, plenty) = (trips / Flights + 1, trips / Hotels * 9 / 10 + 1, 4 * trips);
        await using var create = database.CreateCommand($"""
            create table offer (name text primary key, offered integer not null, free integer not null check (free between 0 and offered));
            create table booking (key text primary key, transaction uuid not null, kind text not null, offer text not null references offer, cancelled boolean not null default false);
            insert into offer select 'flight ' || n, {seats}, {seats} from generate_series(1, {Flights}) n;
            insert into offer select 'hotel ' || n, {rooms}, {rooms} from generate_series(1, {Hotels}) n;
            insert into offer values ('card', {plenty}, {plenty}), ('tickets', {plenty}, {plenty});
            """);
        await create.ExecuteNonQueryAsync(ct);
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
