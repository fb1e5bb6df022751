using Jobs.Postgres;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Jobs.Coordination;

/// <summary>What this process says about itself; each role configures its part.</summary>
internal sealed class SessionProfile
{
    public List<string> Roles { get; } = ["producer"];

    public IReadOnlyDictionary<string, int> Queues { get; set; } = new Dictionary<string, int>();

    public string[] Types { get; set; } = [];

    /// <summary>How many attempts run now.</summary>
    public Func<int> Running { get; set; } = () => 0;

    /// <summary>How many abandoned handlers have not returned yet.</summary>
    public Func<int> Abandoned { get; set; } = () => 0;

    /// <summary>Somebody asked for the end of this attempt.</summary>
    public Action<JobId, int> Cancel { get; set; } = (_, _) => { };
}

/// <summary>One life of a session: its id, and a token for when others have ended it.</summary>
internal sealed record Lease(Guid Id, CancellationToken Lost);

/// <summary>
/// The presence of this process: a row with a heartbeat and, on a connection of its own, an advisory lock. Taken for dead by mistake (paused, cut off),
/// it finds its row gone, cancels what it runs and starts a new life; the fences on every write keep the old one harmless.
/// </summary>
internal sealed class Session(SessionStore store, Signals signals, IOptions<SessionProfile> described, IOptions<JobsOptions> options, TimeProvider time, ILogger<Session> log) : IHostedService, IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly JobsOptions _options = options.Value;
    private readonly SessionProfile _profile = described.Value;
    private CancellationTokenSource _lost = new();
    private NpgsqlConnection? _connection;
    private long? _lockKey;
    private bool _locked;
    private Lease? _lease;
    private Task? _loop;

    /// <summary>Heartbeats a time to live.</summary>
    private const int BeatsPerTtl = 7;

    /// <summary>The life this process has now.</summary>
    public Lease Current => _lease ?? throw new InvalidOperationException("The session opens when the host starts; start the host first.");

    /// <summary>The same; null before the host has started.</summary>
    public Lease? Life => _lease;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Transient.RetryAsync(async ct => { await OpenAsync(ct); return true; }, "open a session", log, cancellationToken);
        _loop = Task.Run(LoopAsync, CancellationToken.None);
    }

    /// <summary>Last of all to stop: what the process ran has been written or handed back by now.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await (_loop ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_lease is not { } lease || _connection is not { } connection)
        {
            return;
        }

        try
        {
            await store.CloseAsync(connection, lease.Id, cancellationToken);
        }
        catch (Exception e)
        {
            log.SessionNotClosed(lease.Id, e.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (_connection is not null)
        {
            await _connection.DisposeAsync();
        }
    }

    private async Task LoopAsync()
    {
        var interval = _options.SessionTtl / BeatsPerTtl;
        for (var failures = 0; !_stop.IsCancellationRequested;)
        {
            try
            {
                if (_connection is not { State: System.Data.ConnectionState.Open })
                {
                    await ConnectAsync(_stop.Token);
                }
                else
                {
                    // Listening while idle: a connection that breaks is noticed now, not at the next heartbeat, so its lock is missing for an instant only.
                    await _connection.WaitAsync(interval, _stop.Token);
                }

                await BeatAsync(_stop.Token);
                failures = 0;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                log.HeartbeatMissed(++failures, e.Message);
                signals.Disconnected();
                if (_connection is not null)
                {
                    await _connection.DisposeAsync();
                    _connection = null;
                }

                if (failures > 1)
                {
                    await Task.Delay(Transient.Delay(failures), time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    private async Task BeatAsync(CancellationToken ct)
    {
        if (!_locked && _lockKey is { } key)
        {
            _locked = await store.LockAsync(_connection!, key, ct);
        }

        var running = _profile.Running();
        if (await store.BeatIfAliveAsync(_connection!, Current.Id, running, _profile.Abandoned(), ct))
        {
            foreach (var (id, attempt) in running > 0 ? await store.TakeCancelRequestsAsync(_connection!, Current.Id, ct) : [])
            {
                _profile.Cancel(id, attempt);
            }

            return;
        }

        log.SessionLost(Current.Id);
        await _lost.CancelAsync();
        await OpenAsync(ct);
    }

    private async Task ConnectAsync(CancellationToken ct)
    {
        _connection = await store.ConnectAsync(ct);
        _locked = false;
        if (_options.AdvisoryLocks) // behind a pooler there is neither
        {
            await store.ListenAsync(_connection, signals.Hear, ct);
            signals.Connected();
        }
    }

    private async Task OpenAsync(CancellationToken ct)
    {
        if (_connection is { } old)
        {
            await old.DisposeAsync(); // its lock goes with it
        }

        await ConnectAsync(ct);
        var id = Guid.CreateVersion7();
        _lockKey = _options.AdvisoryLocks ? Random.Shared.NextInt64(long.MinValue, long.MaxValue) : null;
        if (_lockKey is { } key)
        {
            _locked = await store.LockAsync(_connection!, key, ct);
        }

        var queues = System.Text.Json.JsonSerializer.Serialize(_profile.Queues);
        await store.OpenAsync(_connection!, new SessionRow(id, _lockKey, Environment.ProcessId, $"{Environment.MachineName}/{_options.AppName}", [.. _profile.Roles], queues, _profile.Types), ct);
        _lost = new CancellationTokenSource();
        _lease = new Lease(id, _lost.Token);
        log.SessionOpened(id, string.Join(", ", _profile.Roles));
    }
}
