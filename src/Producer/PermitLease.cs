using System.Diagnostics.CodeAnalysis;
using System.Threading.RateLimiting;

namespace Jobs.Producer;

/// <summary>A lease of permits, or of none.</summary>
/// <param name="acquired">It has them.</param>
/// <param name="retryAfter">Of none: when to try again, where that is known.</param>
/// <param name="lost">Of slots: cancelled when this process has lost them.</param>
/// <param name="giveBack">Of slots: called once, when it is disposed.</param>
internal sealed class PermitLease(bool acquired, TimeSpan? retryAfter = null, CancellationToken lost = default, Action? giveBack = null) : RateLimitLease
{
    /// <summary>Of tokens: nothing is given back.</summary>
    public static readonly PermitLease Tokens = new(true);

    private Action? _giveBack = giveBack;

    public override bool IsAcquired => acquired;

    public override IEnumerable<string> MetadataNames =>
        retryAfter is not null ? [MetadataName.RetryAfter.Name] : lost.CanBeCanceled ? [JobLimiters.Lost.Name] : [];

    public override bool TryGetMetadata(string metadataName, [NotNullWhen(true)] out object? metadata)
    {
        metadata = metadataName == MetadataName.RetryAfter.Name ? retryAfter : metadataName == JobLimiters.Lost.Name && lost.CanBeCanceled ? lost : null;
        return metadata is not null;
    }

    protected override void Dispose(bool disposing) => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
