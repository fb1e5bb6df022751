using Jobs.Postgres;

namespace Jobs.Coordination;

/// <summary>
/// Who among the schedulers leads. The lead is a row with an epoch: a write that needs a single writer checks the epoch in its own statement, so a leader
/// that was paused and comes back late writes nothing.
/// </summary>
internal sealed class Leadership(SessionStore store, Session session, TimeProvider time)
{
    /// <summary>A leader that has not been heard of for this long may be replaced; one whose session was ended, at once.</summary>
    private static readonly TimeSpan Ttl = TimeSpan.FromSeconds(5);

    /// <summary>Looks are a second apart; after this long without one that succeeded, this scheduler is of no use.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    private long _lookedAt; // 0: never

    /// <summary>Why this scheduler could not take over now; null: it could, or it leads.</summary>
    public string? Fault => Volatile.Read(ref _lookedAt) switch
    {
        0 => "The scheduler has not looked who leads yet.",
        var at when time.GetElapsedTime(at) is var since && since > Silence => $"The scheduler has not been able to look who leads for {since.TotalSeconds:0} s.",
        _ => null,
    };

    /// <summary>The lead that was taken or kept, or null: somebody else leads.</summary>
    public async Task<Lead?> TryAsync(CancellationToken ct)
    {
        var id = session.Current.Id;
        var epoch = await store.LeadAsync(id, Ttl, ct);
        Volatile.Write(ref _lookedAt, time.GetTimestamp());
        return epoch is { } won ? new Lead(won, id) : null;
    }

    /// <summary>Lets another scheduler take over at once.</summary>
    public Task ResignAsync(CancellationToken ct) => store.ResignAsync(session.Current.Id, ct);
}

/// <summary>One term of one leader.</summary>
internal sealed record Lead(long Epoch, Guid Session);
