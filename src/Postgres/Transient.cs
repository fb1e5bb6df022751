using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Postgres;

/// <summary>The one place that knows which database errors pass by themselves and how long to wait for that.</summary>
internal static class Transient
{
    /// <summary>Tries of what somebody waits for who is told of the error then.</summary>
    public const int Few = 5;

    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(2);

    public static bool Is(Exception e) => e switch
    {
        PostgresException p => p.SqlState is PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected
            or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
            or PostgresErrorCodes.TooManyConnections
            || p.SqlState.StartsWith("08", StringComparison.Ordinal),
        NpgsqlException => true, // no answer from a server: broken, refused or timed out
        TimeoutException => true,
        ObjectDisposedException or OperationCanceledException => false,
        IOException or System.Net.Sockets.SocketException => true,
        _ => false,
    };

    /// <summary>The database refused a value for what it is (SQLSTATE classes 22 and 54): the same statement fails for ever, and without that row it may succeed.</summary>
    public static bool IsRefusedValue(Exception e) =>
        e is PostgresException p && (p.SqlState.StartsWith("22", StringComparison.Ordinal) || p.SqlState.StartsWith("54", StringComparison.Ordinal));

    /// <summary>The wait before the n-th repetition (n from 1): 50 ms doubling to 2 s, each shortened by up to half at random.</summary>
    public static TimeSpan Delay(int n) =>
        TimeSpan.FromMilliseconds(Math.Min(Longest.TotalMilliseconds, First.TotalMilliseconds * Math.Pow(2, Math.Min(n, 10) - 1)) * (1 - (Random.Shared.NextDouble() / 2)));

    /// <summary>Repeats <paramref name="action"/> until it succeeds, fails for good or for the <paramref name="most"/>th time, or <paramref name="ct"/> says to stop. For work that is safe to repeat.</summary>
    public static async Task<T> RetryAsync<T>(Func<CancellationToken, Task<T>> action, string what, ILogger log, CancellationToken ct, int most = int.MaxValue)
    {
        for (var n = 1; ; n++)
        {
            try
            {
                return await action(ct);
            }
            catch (Exception e) when (n < most && Is(e) && !ct.IsCancellationRequested)
            {
                log.DatabaseTransient(what, n, e.Message);
                await Task.Delay(Delay(n), ct);
            }
        }
    }
}
