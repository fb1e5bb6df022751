using System.Globalization;
using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;

namespace Jobs.Producer;

/// <summary>
/// Those in this process who wait for the end of jobs. They share statements: one to be told of the ends that somebody has just begun to wait for, one to fetch the jobs that have just ended. Which have is
/// said by a signal; it is a hint, so each second it is looked at all that are waited for.
/// </summary>
internal sealed class Watcher : IDisposable
{
    /// <summary>Results may be large, so not more of them at once.</summary>
    private const int MaxBatch = 1000;

    /// <summary>Looking at all takes no more than a tenth of the time.</summary>
    private const int Share = 10;

    /// <summary>And never longer than this.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    public static readonly TimeSpan MaxTimeout = TimeSpan.FromDays(30);

    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <summary>Where there are no signals: the host has not been started, or its connection is down.</summary>
    private static readonly TimeSpan DeafLook = TimeSpan.FromMilliseconds(100);

    /// <summary>Who has waited in vain is told what the job does, if that takes no longer.</summary>
    private static readonly TimeSpan LastLook = TimeSpan.FromSeconds(2);

    private readonly WatchStore _store;
    private readonly Session _session;
    private readonly Signals _signals;
    private readonly TimeProvider _time;
    private readonly ILogger<Watcher> _log;
    private readonly IDisposable[] _listeners;
    private readonly ITimer _timer;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, Watched> _jobs = [];
    private readonly Line _watching;
    private readonly Line _looking;

    public Watcher(WatchStore store, Session session, Signals signals, TimeProvider time, ILogger<Watcher> log)
    {
        (_store, _session, _signals, _time, _log) = (store, session, signals, time, log);
        (_watching, _looking) = (new Line(_gate, WatchAsync, Fail), new Line(_gate, LookAsync, Fail));
        _timer = time.CreateTimer(_ => _ = TickAsync(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _listeners = [signals.On("ended", Heard), signals.On(Signals.Reconnected, _ => Reconnected())];
    }

    /// <summary>The end of a job, whichever it is.</summary>
    /// <exception cref="JobsException">There is no such job.</exception>
    /// <exception cref="TimeoutException">It has not ended in time.</exception>
    public async Task<Glimpse> EndAsync(JobId id, TimeSpan timeout, CancellationToken ct)
    {
        if (timeout != Timeout.InfiniteTimeSpan && (timeout < TimeSpan.Zero || timeout > MaxTimeout))
        {
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, $"The timeout {timeout} is not allowed; use 0 to {MaxTimeout.Days} days, or Timeout.InfiniteTimeSpan.");
        }

        var job = Join(id.Value);
        try
        {
            Glimpse? end;
            try
            {
                end = await job.End.Task.WaitAsync(timeout, _time, ct);
            }
            catch (TimeoutException e) when (!job.End.Task.IsFaulted)
            {
                await _looking.Add([id.Value]).WaitAsync(LastLook, _time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                ct.ThrowIfCancellationRequested();
                end = job.End.Task.IsCompleted ? await job.End.Task
                    : throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"Job {id} has not ended within {timeout.TotalSeconds:0.###} s: {Doing(job.Seen)}."), e);
            }

            return end ?? throw new JobsException($"There is no job {id}: it never was, its enqueue is not committed yet, or it ended longer ago than history is kept.");
        }
        finally
        {
            Leave(job);
        }
    }

    public void Dispose()
    {
        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }

        _timer.Dispose();
        _stop.Cancel();
        _stop.Dispose();
    }

    private static string Doing(Glimpse? seen) => seen switch
    {
        null => "what it does is not known, Postgres did not answer",
        { State: JobState.Running } => string.Create(CultureInfo.InvariantCulture, $"it is running, attempt {seen.Attempt}, for {seen.Running?.TotalSeconds ?? 0:0.0} s"),
        { State: JobState.Scheduled or JobState.Pending, DueIn: { } due } => string.Create(CultureInfo.InvariantCulture, $"it is {Words.Of(seen.State)}, due in {Math.Max(0, due.TotalSeconds):0.0} s"),
        { State: JobState.Blocked } => "it waits for other jobs",
        _ => $"it is {Words.Of(seen.State)} in queue \"{seen.Queue}\"",
    };

    private Watched Join(Guid id)
    {
        bool isNew, first;
        Watched? job;
        lock (_gate)
        {
            first = _jobs.Count == 0;
            isNew = !_jobs.TryGetValue(id, out job);
            if (isNew)
            {
                _jobs.Add(id, job = new Watched(id));
            }

            job!.Waiters++;
        }

        if (isNew)
        {
            _ = _watching.Add([id]);
        }

        if (first)
        {
            _timer.Change(Interval, Timeout.InfiniteTimeSpan);
        }

        return job;
    }

    private void Leave(Watched job)
    {
        lock (_gate)
        {
            if (--job.Waiters == 0)
            {
                _jobs.Remove(job.Id);
            }
        }
    }

    private TimeSpan Interval => _signals.Listening ? Look : DeafLook;

    private void Heard(string ids)
    {
        var known = new List<Guid>();
        lock (_gate)
        {
            foreach (var part in ids.AsSpan().Split(','))
            {
                if (Guid.TryParse(ids.AsSpan(part), out var id) && _jobs.ContainsKey(id))
                {
                    known.Add(id);
                }
            }
        }

        _ = _looking.Add(known);
    }

    /// <summary>What was said meanwhile was not heard, and a server that has crashed has forgotten who watches.</summary>
    private void Reconnected()
    {
        lock (_gate)
        {
            foreach (var job in _jobs.Values)
            {
                job.Session = null;
            }

            if (_jobs.Count == 0)
            {
                return;
            }
        }

        _timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private async Task TickAsync()
    {
        var session = _session.Life?.Id;
        Guid[] all, unwatched;
        lock (_gate)
        {
            all = [.. _jobs.Keys];
            unwatched = session is null ? [] : [.. _jobs.Values.Where(j => j.Session != session).Select(j => j.Id)];
        }

        if (all.Length == 0)
        {
            return; // the next who waits starts the clock again
        }

        var started = _time.GetTimestamp();
        _ = _watching.Add(unwatched);
        await _looking.Add(all);
        var (rest, interval) = (Share * _time.GetElapsedTime(started), Interval);
        if (!_stop.IsCancellationRequested)
        {
            rest = rest < Longest ? rest : Longest; // a look that only waited for Postgres to fail says nothing of what looks cost
            _timer.Change(rest > interval ? rest : interval, Timeout.InfiniteTimeSpan);
        }
    }

    private async Task WatchAsync(Guid[] ids)
    {
        if (_session.Life?.Id is { } session)
        {
            var live = await Transient.RetryAsync(ct => _store.WatchAsync(session, ids, ct), "watch jobs", _log, _stop.Token);
            lock (_gate)
            {
                foreach (var id in live)
                {
                    if (_jobs.TryGetValue(id, out var job))
                    {
                        job.Session = session;
                    }
                }
            }

            ids = [.. ids.Except(live)];
        }

        _ = _looking.Add(ids);
    }

    private async Task LookAsync(Guid[] ids)
    {
        List<Glimpse> seen;
        try
        {
            seen = await _store.LookAsync(ids, _stop.Token);
        }
        catch (Exception e) when (Transient.Is(e))
        {
            _log.EndsNotFetched(ids.Length, e.Message);
            return;
        }

        var found = seen.ToDictionary(s => s.Id.Value);
        lock (_gate)
        {
            foreach (var id in ids)
            {
                if (_jobs.TryGetValue(id, out var job))
                {
                    job.Seen = found.GetValueOrDefault(id);
                    if (job.Seen is null or { HasEnded: true })
                    {
                        job.End.TrySetResult(job.Seen);
                    }
                }
            }
        }
    }

    /// <summary>An error that does not pass by itself is the waiters' to see.</summary>
    private void Fail(Guid[] ids, Exception e)
    {
        lock (_gate)
        {
            foreach (var id in ids)
            {
                if (_jobs.TryGetValue(id, out var job))
                {
                    job.End.TrySetException(e);
                }
            }
        }
    }

    /// <summary>A job that somebody waits for.</summary>
    private sealed class Watched(Guid id)
    {
        public Guid Id => id;

        /// <summary>Null: there is no such job.</summary>
        public TaskCompletionSource<Glimpse?> End { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Waiters { get; set; }

        /// <summary>For which session its end is watched.</summary>
        public Guid? Session { get; set; }

        public Glimpse? Seen { get; set; }
    }

    /// <summary>Does a statement for all jobs that have come together while the one before was under way.</summary>
    private sealed class Line(Lock gate, Func<Guid[], Task> work, Action<Guid[], Exception> fail)
    {
        private HashSet<Guid> _ids = [];
        private Task _last = Task.CompletedTask;

        /// <returns>Ends when it has been done for these. Never fails.</returns>
        public Task Add(IReadOnlyCollection<Guid> ids)
        {
            lock (gate)
            {
                if (ids.Count > 0)
                {
                    var idle = _ids.Count == 0;
                    _ids.UnionWith(ids);
                    _last = idle ? RunAsync(_last) : _last;
                }

                return _last;
            }
        }

        private async Task RunAsync(Task before)
        {
            await before;
            await Task.Yield(); // also leaves the gate
            HashSet<Guid> ids;
            lock (gate)
            {
                (ids, _ids) = (_ids, []);
            }

            foreach (var batch in ids.Chunk(MaxBatch))
            {
                try
                {
                    await work(batch);
                }
                catch (Exception e)
                {
                    fail(batch, e);
                }
            }
        }
    }
}
