using System.Runtime.InteropServices;
using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Worker;

/// <summary>Starts a consumer and a claimer for each queue, and ends them in the order that loses nothing.</summary>
internal sealed class WorkerService : IHostedService, IDisposable
{
    /// <summary>How long handlers have to return after their token was cancelled, and outcomes to be written.</summary>
    private static readonly TimeSpan LastGrace = TimeSpan.FromSeconds(5);

    private readonly WorkerOptions _options;
    private readonly JobStore _store;
    private readonly TicketPublisher _tickets;
    private readonly Session _session;
    private readonly Executor _executor;
    private readonly Completer _completer;
    private readonly Followers _followers;
    private readonly Admissions _admissions;
    private readonly Output _output;
    private readonly Running _running;
    private readonly TimeProvider _time;
    private readonly ILogger<WorkerService> _log;
    private readonly BrokerConnection _connection;
    private readonly List<Line> _lines = [];
    private readonly List<Task> _consuming = [];
    private readonly List<Task> _claiming = [];
    private readonly OrderWatch _watch;
    private readonly IHostApplicationLifetime _host;
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _leave; // _stop implies it
    private readonly CancellationTokenSource _hurry = new();
    private Task _completing = Task.CompletedTask;
    private Task _watching = Task.CompletedTask;
    private Task _draining = Task.CompletedTask;
    private Task _logging = Task.CompletedTask;
    private Task _reporting = Task.CompletedTask;
    private int _signalCount;

    public WorkerService(
        WorkerOptions options, IOptions<JobsOptions> jobs, JobStore store, RepairStore repair, TicketPublisher tickets, Topology topology, Session session,
        Executor executor, Completer completer, Followers followers, Admissions admissions, Output output, Running running, QueueStore queues, OrderWatch watch, SlotPlan plan, IHostApplicationLifetime host,
        WorkerTelemetry telemetry, BrokerTelemetry broker, Pulses pulses, TimeProvider time,
        ILogger<WorkerService> log)
    {
        (_watch, _host) = (watch, host);
        _leave = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        (_options, _store, _tickets, _session, _executor, _completer, _followers, _admissions, _output, _running, _time, _log) =
            (options, store, tickets, session, executor, completer, followers, admissions, output, running, time, log);
        _connection = new BrokerConnection(jobs.Value, "consume", log, broker);
        foreach (var slots in plan.Queues)
        {
            var queue = slots.Queue;
            var consumer = new TicketConsumer(_connection, topology, queue, Prefetch.Least(slots.Share), (marker, ct) => repair.SweepQueueAsync(queue, marker, ct), time, log);
            slots.Buffered = () => consumer.Buffered + slots.Vacancies.Count;
            consumer.Pause(); // until the first look at what operators say
            _lines.Add(new Line(queue, consumer, new Claimer(
                queue, slots, consumer, store, queues, admissions, executor, running, session, options.Handlers, OnPaused, telemetry, pulses.Add($"claimer of {queue}"), time, log)));

            void OnPaused()
            {
                consumer.Pause();
                watch.Hurry();
            }
        }

        telemetry.Lines = () => _lines.Select(l => l.Claimer.State);
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _completing = Detached.Run(_completer.RunAsync);
        _logging = Detached.Run(_output.Logs.RunAsync);
        _reporting = Detached.Run(_output.Progress.RunAsync);
        foreach (var line in _lines)
        {
            _consuming.Add(Detached.Run(() => line.Consumer.RunAsync(_stop.Token)));
            _claiming.Add(Detached.Run(() => line.Claimer.RunAsync(_leave.Token, _stop.Token)));
        }

        _watching = Detached.Run(() => _watch.RunAsync(_lines.ToDictionary(l => l.Queue), d => _draining = DrainAsync(d), _stop.Token));

        // The host stops at the first signal; at the second one, the grace period ends.
        foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT })
        {
            _signals.Add(PosixSignalRegistration.Create(signal, _ =>
            {
                if (Interlocked.Increment(ref _signalCount) > 1)
                {
                    _hurry.Cancel();
                }
            }));
        }

        _log.WorkerStarted(string.Join(", ", _options.Queues.Select(q => $"{q.Key} x {q.Value}")), _options.Handlers.Count);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _log.WorkerStopping(_running.Count, _options.ShutdownGrace.TotalSeconds);
        await _stop.CancelAsync();
        await _watching;
        await _draining;
        await Task.WhenAll(_lines.Select(l => l.Consumer.CloseAsync())); // buffered tickets go back to the broker
        await Task.WhenAll(_claiming);
        await Task.WhenAll(_consuming);

        using var hurry = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _hurry.Token);
        if (!await IdleAsync(_options.ShutdownGrace, hurry.Token))
        {
            _executor.GiveUp();
            await IdleAsync(LastGrace, CancellationToken.None);
        }

        using var deadline = new CancellationTokenSource(LastGrace, _time);
        await Task.WhenAll(
            _completer.FinishAsync(_completing, deadline.Token), _output.Logs.FinishAsync(_logging, deadline.Token), _output.Progress.FinishAsync(_reporting, deadline.Token));
        await HandBackAsync(deadline.Token);
        await _connection.DisposeAsync();
    }

    public void Dispose()
    {
        _signals.ForEach(s => s.Dispose());
        _leave.Dispose();
        _stop.Dispose();
        _hurry.Dispose();
    }

    /// <summary>Takes no more jobs, gives those that run all the time they need, and then has the whole process stop.</summary>
    private async Task DrainAsync(Drain drain)
    {
        _log.WorkerDraining(_running.Count, drain.By ?? "somebody", drain.Reason ?? "no reason given");
        _lines.ForEach(l => l.Consumer.Pause()); // buffered tickets go back to the broker
        await _leave.CancelAsync();
        await Task.WhenAll(_claiming);
        foreach (var line in _lines)
        {
            if (!await line.Claimer.WaitIdleAsync(_stop.Token))
            {
                return; // somebody was less patient
            }
        }

        _log.WorkerDrained();
        _host.StopApplication();
    }

    private async Task HandBackAsync(CancellationToken ct)
    {
        try
        {
            var handedBack = await _store.HandBackIfRunningAsync(_session.Current.Id, _running.Ids(), ct);
            await _tickets.SendAsync(handedBack, ct);
            await _admissions.AdmitAllAsync(ct);
            await _followers.ToldAsync(ct);
            _log.WorkerStopped(handedBack.Count);
        }
        catch (Exception e)
        {
            _log.NotHandedBack(e.Message);
        }
    }

    private async Task<bool> IdleAsync(TimeSpan limit, CancellationToken hurry)
    {
        using var deadline = new CancellationTokenSource(limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, hurry);
        foreach (var line in _lines)
        {
            if (!await line.Claimer.WaitIdleAsync(either.Token))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>All there is for one queue.</summary>
internal sealed record Line(string Queue, TicketConsumer Consumer, Claimer Claimer);
