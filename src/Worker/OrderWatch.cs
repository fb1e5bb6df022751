using System.Collections.Concurrent;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Worker;

/// <summary>
/// Hears what operators tell this worker: to pause a queue, to go on with it, to leave, how many slots it has. At a signal, with each heartbeat, and when a pause ends by itself. Nothing is consumed
/// before the first look. What is in force is in the rows: a claim obeys a pause whether or not it was heard of here; this gives the tickets back to the broker meanwhile.
/// </summary>
internal sealed class OrderWatch(QueueStore store, Session session, Signals signals, SlotPlan slots, IOptions<JobsOptions> options, ILogger<OrderWatch> log) : IDisposable
{
    private static readonly TimeSpan Deaf = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Margin = TimeSpan.FromMilliseconds(20);

    private readonly TimeSpan _interval = options.Value.SessionTtl / Session.BeatsPerTtl;
    private readonly SemaphoreSlim _news = new(0);
    private readonly ConcurrentDictionary<string, bool> _paused = [];
    private Drain? _drain;

    /// <summary>Operators have paused it, as far as is known here, or it has no slots.</summary>
    public bool IsPaused(string queue) => _paused.ContainsKey(queue) || slots.IsShut(queue);

    /// <summary>Looks again now.</summary>
    public void Hurry() => _news.Release();

    public async Task RunAsync(IReadOnlyDictionary<string, Line> lines, Action<Drain> leave, CancellationToken stop)
    {
        using var queue = signals.On("queue", name => HurryIf(lines.ContainsKey(name)));
        using var size = signals.On("slots", _ => Hurry());
        using var drain = signals.On("drain", id => HurryIf(id == session.Current.Id.ToString()));
        using var again = signals.On(Signals.Reconnected, _ => Hurry());
        slots.Changed = Hurry;
        try
        {
            for (var failures = 0; ;)
            {
                TimeSpan wait;
                try
                {
                    while (_news.Wait(0, CancellationToken.None))
                    {
                        // what has been said so far is read now
                    }

                    wait = await ObeyAsync(lines, leave, stop);
                    failures = 0;
                }
                catch (Exception e) when (!stop.IsCancellationRequested)
                {
                    wait = Transient.Delay(++failures);
                    log.OrdersNotRead(failures, e.Message);
                }

                await _news.WaitAsync(wait, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return;
        }
        finally
        {
            slots.Changed = static () => { }; // the configuration may outlive the worker
        }
    }

    public void Dispose() => _news.Dispose();

    private void HurryIf(bool meant)
    {
        if (meant)
        {
            Hurry();
        }
    }

    /// <returns>How long to wait for the next look.</returns>
    private async Task<TimeSpan> ObeyAsync(IReadOnlyDictionary<string, Line> lines, Action<Drain> leave, CancellationToken ct)
    {
        var id = session.Current.Id;
        var (paused, drain, sizes) = await store.OrdersAsync(id, session.Host, [.. lines.Keys], slots.Pools, ct);
        slots.Apply(sizes);
        if (_drain is not null)
        {
            if (drain is null)
            {
                await store.DrainIfWorkerAsync(id, _drain.By ?? "", _drain.Reason, ct); // a new session of a process that was taken for dead while it drained
            }

            return _interval;
        }

        if (drain is not null)
        {
            _drain = drain;
            leave(drain);
            return _interval;
        }

        var wait = signals.Listening || _interval < Deaf ? _interval : Deaf;
        foreach (var (name, line) in lines)
        {
            line.Claimer.Follow();
            if (!paused.TryGetValue(name, out var left))
            {
                if (slots.IsShut(name))
                {
                    line.Consumer.Pause(); // its tickets are for other workers
                }
                else
                {
                    line.Consumer.Resume();
                }

                if (_paused.TryRemove(name, out _))
                {
                    log.QueueResumed(name);
                }

                continue;
            }

            line.Consumer.Pause();
            if (_paused.TryAdd(name, true))
            {
                log.QueuePaused(name);
            }

            wait = left is { } l && l + Margin < wait ? l + Margin : wait;
        }

        return wait;
    }
}
