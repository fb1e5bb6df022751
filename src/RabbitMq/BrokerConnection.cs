using System.Text;
using Microsoft.Extensions.Logging;
using RabbitMQ.Client;

namespace Jobs.RabbitMq;

/// <summary>
/// One AMQP connection, opened when first needed and again when it broke. The client's own recovery is off: what a broken channel had in flight is unknown,
/// and only its user knows what to do about that.
/// </summary>
internal sealed class BrokerConnection : IAsyncDisposable, IDisposable
{
    /// <summary>The first version with 32 strict priorities on quorum queues.</summary>
    private static readonly Version Oldest = new(4, 3);

    private readonly JobsOptions _options;
    private readonly string _purpose;
    private readonly ILogger _log;
    private readonly BrokerTelemetry? _telemetry;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private IConnection? _connection;
    private bool _disposed;

    public BrokerConnection(JobsOptions options, string purpose, ILogger log, BrokerTelemetry? telemetry = null)
    {
        (_options, _purpose, _log, _telemetry) = (options, purpose, log, telemetry);
        telemetry?.Add(this, purpose);
    }

    public BrokerTelemetry? Telemetry => _telemetry;

    public bool IsOpen => _connection is { IsOpen: true };

    /// <summary>The open connection. Throws when the broker cannot be reached; callers repeat with a delay.</summary>
    /// <exception cref="JobsException">The broker is too old.</exception>
    public async ValueTask<IConnection> GetAsync(CancellationToken ct)
    {
        if (_connection is { IsOpen: true } open)
        {
            return open;
        }

        await _gate.WaitAsync(ct);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_connection is { IsOpen: true } other)
            {
                return other;
            }

            if (_connection is not null)
            {
                await _connection.DisposeAsync();
                _connection = null;
            }

            var factory = new ConnectionFactory
            {
                Uri = new Uri(_options.RabbitMq),
                AutomaticRecoveryEnabled = false,
                TopologyRecoveryEnabled = false,
                RequestedHeartbeat = TimeSpan.FromSeconds(10),
                RequestedConnectionTimeout = TimeSpan.FromSeconds(5),
                ContinuationTimeout = TimeSpan.FromSeconds(10),
                ClientProvidedName = $"{_options.AppName} {_purpose} ({Environment.MachineName}:{Environment.ProcessId})",
            };
            var connection = await factory.CreateConnectionAsync(ct);
            var version = connection.ServerProperties is { } p && p.TryGetValue("version", out var v) && v is byte[] bytes ? Encoding.UTF8.GetString(bytes) : "unknown";
            if (!Version.TryParse(version.Split('-', '+')[0], out var parsed) || parsed < Oldest)
            {
                await connection.DisposeAsync();
                throw new JobsException($"RabbitMQ {version} at {factory.HostName}:{factory.Port} is too old: {Oldest} or newer is needed, "
                    + "because older ones do not order quorum queues by priority. Upgrade the broker.");
            }

            _log.Connected(version, factory.HostName, factory.Port, _purpose);
            return _connection = connection;
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    public async ValueTask DisposeAsync()
    {
        _telemetry?.Remove(this);
        await _gate.WaitAsync();
        try
        {
            _disposed = true;
            if (_connection is not null)
            {
                await _connection.DisposeAsync();
            }
        }
        catch (Exception e)
        {
            _log.Ignored("Closing a connection to RabbitMQ", e.Message);
        }
        finally
        {
            _gate.Release();
        }
    }
}

/// <summary>The waits between tries to reach the broker: 100 ms doubling to 2 s.</summary>
internal static class Backoff
{
    public static TimeSpan Delay(int n) => TimeSpan.FromMilliseconds(Math.Min(2000, 100 * Math.Pow(2, Math.Min(n, 10) - 1)));
}
