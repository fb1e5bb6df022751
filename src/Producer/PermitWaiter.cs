using System.Threading.RateLimiting;

namespace Jobs.Producer;

/// <summary>A caller in the queue of a limiter.</summary>
/// <param name="count">How many permits it wants.</param>
/// <param name="once">It has one answer only: there was no room to wait.</param>
internal sealed class PermitWaiter(int count, bool once)
{
    public int Count => count;

    public bool Once => once;

    /// <summary>Its place; null once it has been taken out.</summary>
    public LinkedListNode<PermitWaiter>? Node { get; set; }

    public TaskCompletionSource<RateLimitLease> Lease { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
