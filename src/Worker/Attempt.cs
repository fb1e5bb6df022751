using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Worker;

/// <summary>Why the token of an attempt was cancelled. The first reason counts.</summary>
internal enum Stop
{
    /// <summary>It was not.</summary>
    None,
    /// <summary>The attempt took longer than it may.</summary>
    Timeout,
    /// <summary>Somebody asked for it.</summary>
    Cancel,
    /// <summary>The worker stops, and its grace period is over.</summary>
    Shutdown,
    /// <summary>Others have ended this process's session; the job is theirs.</summary>
    Lost,
}

/// <summary>
/// One claimed run of a job on its way through this process. It has a token of its own, linked to nothing: what would cancel many attempts at once looks them up in
/// <see cref="Running"/>, so a run that nobody stops pays for one small object.
/// </summary>
internal sealed class Attempt(ClaimedJob job, string queue, Lease lease, HandlerEntry handler) : ProgressSink
{
    private readonly CancellationTokenSource _stop = new(); // not disposed: it has no timer, and a handler may hold on to its token
    private int _why;
    private int _settled;
    private ITimer? _timeout;
    private ITimer? _grace;
    private AttemptLog? _log;
    private Reported? _progress;

    public ClaimedJob Job { get; } = job;

    public string Queue => queue;

    public Lease Lease => lease;

    public HandlerEntry Handler => handler;

    /// <summary>Who wants it stopped, when somebody does. Set before the token is cancelled.</summary>
    public CancelOrder? Order { get; set; }

    /// <summary>Where its slot goes back to; null until it is started.</summary>
    public Slots? Slots { get; set; }

    /// <summary>When its handler was started, if that is measured; else 0.</summary>
    public long BeganAt { get; set; }

    /// <summary>What it failed of, once it has.</summary>
    public string? ErrorType { get; set; }

    /// <summary>Where what it says goes; null until it is started.</summary>
    public Output? Output { get; set; }

    /// <summary>Somebody has decided what is written about it: it has returned or was abandoned.</summary>
    public bool IsSettled => Volatile.Read(ref _settled) != 0;

    /// <summary>How long it may take; null: for ever.</summary>
    public TimeSpan? Timeout => Job.TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : handler.Timeout;

    public CancellationToken Token => _stop.Token;

    public Stop Why => (Stop)Volatile.Read(ref _why);

    /// <summary>Calls back once its time is over.</summary>
    public void StartClock(TimeProvider time, TimeSpan timeout, TimerCallback over) => _timeout = time.CreateTimer(over, this, timeout, System.Threading.Timeout.InfiniteTimeSpan);

    /// <returns>False: it has been stopped already, for another reason maybe.</returns>
    public bool TryStop(Stop why) => Interlocked.CompareExchange(ref _why, (int)why, (int)Stop.None) == (int)Stop.None;

    /// <summary>After <see cref="TryStop"/>: calls back if the handler has not returned when the grace period is over.</summary>
    public void StartGrace(TimeProvider time, TimeSpan grace, TimerCallback over) =>
        Volatile.Write(ref _grace, time.CreateTimer(over, this, grace, System.Threading.Timeout.InfiniteTimeSpan));

    /// <summary>Has the handler's callbacks called on the thread pool, where one that hangs holds up nobody.</summary>
    public Task CancelAsync() => _stop.CancelAsync();

    /// <summary>Who gets true decides what is written about it: its handler that has returned, or whoever abandons it.</summary>
    public bool TrySettle()
    {
        if (Interlocked.Exchange(ref _settled, 1) != 0)
        {
            return false;
        }

        Volatile.Read(ref _log)?.Close();
        _timeout?.Dispose();
        Volatile.Read(ref _grace)?.Dispose(); // one that is being made just now finds it settled
        return true;
    }

    /// <summary>Its handler wrote this to a logger.</summary>
    public void Keep(LogLine line)
    {
        if (Volatile.Read(ref _log) is not { } log)
        {
            var made = new AttemptLog(Job.Id, Job.Attempt, Output!.Logs, Output.Time);
            log = Interlocked.CompareExchange(ref _log, made, null) ?? made;
        }

        log.Add(line);
        if (IsSettled)
        {
            log.Close(); // it was settled before its log was there
        }
    }

    /// <inheritdoc/>
    public override void Report(long done, long? total, string? note)
    {
        if (!IsSettled && Interlocked.Exchange(ref _progress, new Reported(done, total, note)) is null)
        {
            Output!.Progress.Add(this); // otherwise it is in line already, with an older word
        }
    }

    /// <summary>Its latest word that has not been taken yet.</summary>
    public ProgressRow? TakeProgress() => Interlocked.Exchange(ref _progress, null) is { } said
        ? new ProgressRow(Job.Id.Value, Job.Attempt, said.Done, said.Total, ErrorText.Cut(said.Note, MaxNote)) : null;

    private const int MaxNote = 200;

    private sealed record Reported(long Done, long? Total, string? Note);
}

/// <summary>Where what handlers say while they run goes.</summary>
internal sealed record Output(CurrentAttempt Current, LogWriter Logs, ProgressWriter Progress, TimeProvider Time);

/// <summary>How an attempt ended, ready to be written: done (no result, the common case), an end of another kind, or deferred.</summary>
internal readonly record struct Completion(Attempt Attempt, JobState? End, byte[]? Result, string? Error, TimeSpan Delay)
{
    /// <summary>Deferred because the other side said so.</summary>
    public JobOutcome.Limited? Told { get; init; }

    /// <summary>Nothing is to be noted about it, not even that somebody had asked for its end.</summary>
    public bool IsPlainSuccess => End == JobState.Succeeded && Result is null && Attempt.Order is null;

    public static Completion Ended(Attempt attempt, JobState end, byte[]? result = null, string? error = null) => new(attempt, end, result, error, default);

    public static Completion PushedBack(Attempt attempt, JobOutcome.Limited told) => new(attempt, null, null, null, told.Delay) { Told = told };

    public static Completion Deferred(Attempt attempt, TimeSpan delay, string? error) => new(attempt, null, null, error, delay);
}

/// <summary>The attempts of this process that are claimed and whose end is not written yet, and those that were abandoned and whose code still runs.</summary>
internal sealed class Running
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<JobId, Attempt> _attempts = new();
    private readonly System.Collections.Concurrent.ConcurrentDictionary<Attempt, bool> _abandoned = new();
    private int _abandonedCount;

    public int Count => _attempts.Count;

    /// <summary>Their slots are free, their jobs are written about, and their handlers have not returned.</summary>
    public int Abandoned => Volatile.Read(ref _abandonedCount);

    public IEnumerable<Attempt> All => _attempts.Select(a => a.Value);

    public void Add(Attempt attempt) => _attempts[attempt.Job.Id] = attempt;

    public Guid[] Ids() => [.. _attempts.Keys.Select(id => id.Value)];

    public bool Holds(JobId id, int attempt) => Find(id, attempt) is not null;

    public Attempt? Find(JobId id, int attempt) => _attempts.TryGetValue(id, out var held) && held.Job.Attempt == attempt ? held : null;

    public void Remove(Attempt attempt) => _attempts.TryRemove(new KeyValuePair<JobId, Attempt>(attempt.Job.Id, attempt));

    public void Abandon(Attempt attempt)
    {
        _abandoned[attempt] = true;
        Interlocked.Increment(ref _abandonedCount);
    }

    /// <summary>The handler of an abandoned attempt has returned after all.</summary>
    public void Returned(Attempt attempt)
    {
        if (_abandoned.TryRemove(attempt, out _))
        {
            Interlocked.Decrement(ref _abandonedCount);
        }
    }

    /// <summary>Abandoned attempts of a job that still run here.</summary>
    public IEnumerable<Attempt> AbandonedOf(JobId id) => Abandoned == 0 ? [] : _abandoned.Select(a => a.Key).Where(a => a.Job.Id == id);
}
