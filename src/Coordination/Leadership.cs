using Jobs.Postgres;

namespace Jobs.Coordination;

/// <summary>
/// Who among the schedulers leads. The lead is a row with an epoch: a write that needs a single writer checks the epoch in its own statement, so a leader
/// that was paused and comes back late writes nothing.
/// </summary>
internal sealed class Leadership(SessionStore store, Session session)
{
    /// <summary>A leader that has not been heard of for this long may be replaced; one whose session was ended, at once.</summary>
    private static readonly TimeSpan Ttl = TimeSpan.FromSeconds(5);

    /// <summary>The lead that was taken or kept, or null: somebody else leads.</summary>
    public async Task<Lead?> TryAsync(CancellationToken ct)
    {
        var id = session.Current.Id;
        return await store.LeadAsync(id, Ttl, ct) is { } epoch ? new Lead(epoch, id) : null;
    }

    /// <summary>Lets another scheduler take over at once.</summary>
    public Task ResignAsync(CancellationToken ct) => store.ResignAsync(session.Current.Id, ct);
}

/// <summary>One term of one leader.</summary>
internal sealed record Lead(long Epoch, Guid Session);
