using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Scheduler;

/// <summary>
/// Admits those who wait at gates for time to pass: for a rate, or for the end of a pause. A little ahead, so that they have been claimed when their time comes. Each second also those who
/// wait for somebody's end, which whoever wrote that end does at once unless it died. Without anybody waiting this is one look a second at an empty index.
/// </summary>
internal sealed class Gatekeeper(LimitStore store, Admissions admissions, Signals signals, TimeProvider time, ILogger<Gatekeeper> log) : IDisposable
{
    private const int Batch = 1000;

    /// <summary>Seconds: tickets sent, delivered and claimed within this are in time.</summary>
    private const double Ahead = 0.06;

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ForgetInterval = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _told = new(0);
    private string[] _timed = [];
    private long? _lookedAt;
    private long? _forgotAt;
    private IDisposable? _listening;

    public void Dispose()
    {
        _listening?.Dispose();
        _told.Dispose();
    }

    /// <returns>Nothing: it waits by itself, for its time or for a signal.</returns>
    public async Task<TimeSpan> RunOnceAsync(CancellationToken ct)
    {
        _listening ??= signals.On("gates", _ => _told.Release());
        var told = await _told.WaitAsync(_timed.Length > 0 ? Pace : _lookedAt is null ? TimeSpan.Zero : LookInterval, ct);
        while (_told.Wait(0, CancellationToken.None))
        {
            told = true;
        }

        if (told || _lookedAt is not { } looked || time.GetElapsedTime(looked) >= LookInterval)
        {
            _lookedAt = time.GetTimestamp();
            _timed = [.. await admissions.AdmitAllAsync(ct)];
        }

        if (_timed.Length > 0)
        {
            await admissions.AdmitNowAsync(_timed, Ahead, ct);
        }

        if (_forgotAt is not { } forgot || time.GetElapsedTime(forgot) > ForgetInterval)
        {
            _forgotAt = time.GetTimestamp();
            var gone = 0;
            for (int n; (n = await store.ForgetGatesAsync(Batch, ct)) > 0;)
            {
                gone += n;
            }

            log.GatesForgotten(gone);
        }

        return TimeSpan.Zero;
    }
}
