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

    /// <summary>A worker's slots, now; null: it is no worker.</summary>
    public Func<SlotReport?> Slots { get; set; } = () => null;

    /// <summary>How many attempts run now.</summary>
    public Func<int> Running { get; set; } = () => 0;

    /// <summary>How many abandoned handlers have not returned yet.</summary>
    public Func<int> Abandoned { get; set; } = () => 0;

    /// <summary>How many outcomes came too late so far, because their attempt had been taken away.</summary>
    public Func<long> Refused { get; set; } = () => 0;

    /// <summary>Somebody asked for the end of this attempt. Told again until it has ended. False: it is not here, or not yet, because the answer to its claim is still under way.</summary>
    public Func<CancelOrder, bool> Cancel { get; set; } = _ => true;
}

/// <summary>One life of a session: its id, and a token for when others have ended it.</summary>
internal sealed record Lease(Guid Id, CancellationToken Lost);

/// <summary>
/// The presence of this process: a row with a heartbeat and, on a connection of its own, an advisory lock. Taken for dead by mistake (paused, cut off),
/// it finds its row gone, cancels what it runs and starts a new life; the fences on every write keep the old one harmless.
/// </summary>
internal sealed class Session(
    SessionStore store, Signals signals, IOptions<SessionProfile> described, IOptions<JobsOptions> options, CoordinationTelemetry telemetry, Pulses pulses, TimeProvider time, ILogger<Session> log)
    : IHostedService, IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly JobsOptions _options = options.Value;
    private readonly SessionProfile _profile = described.Value;
    private CancellationTokenSource _lost = new();
    private NpgsqlConnection? _connection;
    private long? _lockKey;
    private bool _locked;
    private long _refusedTold; // by a heartbeat of this session, or of the one before
    private Lease? _lease;
    private Task? _loop;
    private long _heardAt; // 0: never
    private IDisposable? _listener;
    private volatile bool _cancelAsked; // signalled, and not looked for yet
    private bool _tooEarly;             // asked for an attempt that was not here yet

    /// <summary>How often it is looked for what signals tell of, where there are none.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(250);

    /// <summary>Waiting for less is not worth it, and for nothing would mean for ever.</summary>
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(1);

    /// <summary>Heartbeats a time to live.</summary>
    public const int BeatsPerTtl = 7;

    /// <summary>The life this process has now.</summary>
    public Lease Current => _lease ?? throw new InvalidOperationException("The session opens when the host starts; start the host first.");

    /// <summary>This machine and program, as people call them.</summary>
    public string Host => $"{Environment.MachineName}/{_options.AppName}";

    /// <summary>The same; null before the host has started.</summary>
    public Lease? Life => _lease;

    /// <summary>Since Postgres last took a heartbeat; null before the first.</summary>
    public TimeSpan? HeartbeatAge => Volatile.Read(ref _heardAt) is not 0 and var at ? time.GetElapsedTime(at) : null;

    /// <summary>A session is open and Postgres answers.</summary>
    public Probe Probe => new("session", _ => ValueTask.FromResult(HeartbeatAge switch
    {
        null => "No session is open yet: Postgres has not answered since the start.",
        { } age when age > _options.SessionTtl / 2 => $"Postgres has taken no heartbeat for {age.TotalSeconds:0.0} s.",
        _ => null,
    }));

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _listener = signals.On("cancel", _ => _cancelAsked = true);
        await Transient.RetryAsync(async ct => { await OpenAsync(ct); return true; }, "open a session", log, cancellationToken);
        telemetry.HeartbeatAge = () => HeartbeatAge;
        _loop = Detached.Run(LoopAsync);
    }

    /// <summary>Last of all to stop: what the process ran has been written or handed back by now.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _listener?.Dispose();
        await _stop.CancelAsync();
        await (_loop ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_lease is not { } lease || _connection is not { } connection)
        {
            return;
        }

        try
        {
            await store.CloseAsync(connection, lease.Id, _profile.Refused() - _refusedTold, cancellationToken);
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
        var beaten = time.GetTimestamp();
        var pulse = pulses.Add("heartbeat");
        for (var failures = 0; !_stop.IsCancellationRequested;)
        {
            pulse.Begin();
            try
            {
                if (_connection is not { State: System.Data.ConnectionState.Open })
                {
                    await ConnectAsync(_stop.Token);
                }
                else if (interval - time.GetElapsedTime(beaten) is var left && left > Least)
                {
                    await ListenAsync(left);
                    continue;
                }

                await BeatAsync(_stop.Token);
                (beaten, failures) = (time.GetTimestamp(), 0);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                pulse.Rest();
                return;
            }
            catch (Exception e)
            {
                telemetry.HeartbeatFailed();
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

    /// <summary>
    /// Until the next heartbeat, or until a signal was heard. Listening while idle: a connection that breaks is noticed now, not at the next heartbeat, so its lock is missing for an
    /// instant only.
    /// </summary>
    private async Task ListenAsync(TimeSpan left)
    {
        var deaf = !signals.Listening;
        var wait = _tooEarly ? Again : deaf ? Look : left;
        if (!_cancelAsked) // heard while a statement ran
        {
            await _connection!.WaitAsync(wait < left ? wait : left, _stop.Token);
        }

        if (_cancelAsked || _tooEarly || deaf)
        {
            await CancelAsync(_stop.Token);
        }
    }

    private async Task CancelAsync(CancellationToken ct)
    {
        (_cancelAsked, _tooEarly) = (false, false); // before the look: who asks after it is heard again
        foreach (var order in _profile.Queues.Count > 0 ? await store.CancelRequestsAsync(_connection!, Current.Id, ct) : [])
        {
            _tooEarly |= !_profile.Cancel(order);
        }
    }

    private async Task BeatAsync(CancellationToken ct)
    {
        if (!_locked && _lockKey is { } key)
        {
            _locked = await store.LockAsync(_connection!, key, ct);
        }

        var (running, refused) = (_profile.Running(), _profile.Refused());
        var look = running > 0 || _cancelAsked || _tooEarly;
        if (await store.BeatIfAliveAsync(_connection!, Current.Id, running, _profile.Abandoned(), refused - _refusedTold, _profile.Slots()?.Write(), ct))
        {
            Volatile.Write(ref _heardAt, time.GetTimestamp());
            _refusedTold = refused;
            if (look)
            {
                await CancelAsync(ct);
            }

            return;
        }

        telemetry.SessionLost();
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
        await store.OpenAsync(_connection!, new SessionRow(id, _lockKey, Environment.ProcessId, Host, [.. _profile.Roles], queues, _profile.Types, _profile.Slots()?.Write()), ct);
        _lost = new CancellationTokenSource();
        _lease = new Lease(id, _lost.Token);
        Volatile.Write(ref _heardAt, time.GetTimestamp());
        log.SessionOpened(id, string.Join(", ", _profile.Roles));
    }
}
