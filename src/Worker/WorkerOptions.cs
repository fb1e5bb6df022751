using Jobs.Coordination;
using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Jobs;

/// <summary>
/// What one worker process runs: its queues, each with a number of slots, and its handlers. Also bound from the configuration section <c>Jobs:Worker</c>
/// (<c>Queues:NAME:Concurrency</c>, <c>ShutdownGraceSeconds</c>, <c>TimeoutGraceSeconds</c>, <c>CaptureLogs</c>, <c>LogLevel</c>); what code says wins.
/// </summary>
public sealed class WorkerOptions
{
    /// <summary>The most slots one process can give a queue.</summary>
    public const int MaxConcurrency = 10_000;

    private const int DefaultConcurrency = 20;

    private TimeSpan? _grace;
    private TimeSpan? _timeoutGrace;
    private bool? _captureLogs;
    private LogLevel? _logLevel;
    private readonly IServiceCollection _services;
    private readonly SortedDictionary<string, int> _queues = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HandlerEntry> _handlers = [];

    internal WorkerOptions(IServiceCollection services) => _services = services;

    internal IReadOnlyDictionary<string, int> Queues => _queues;

    internal IReadOnlyDictionary<string, HandlerEntry> Handlers => _handlers;

    internal bool LogLevelIsSet => _logLevel is not null;

    /// <summary>
    /// After SIGTERM, how long running handlers may go on before their token is cancelled and their jobs are handed back. Default 25 s; 0 to 1 hour.
    /// The host's own shutdown timeout is raised to fit.
    /// </summary>
    public TimeSpan ShutdownGrace
    {
        get => _grace ?? TimeSpan.FromSeconds(25);
        set => _grace = value;
    }

    /// <summary>
    /// How long a handler may take to return after its token was cancelled, because of its timeout, a cancel request or a lost session. Then its attempt is abandoned: it ends
    /// without its handler, whose later outcome is dropped, and its slot is free for the next job. Default 10 s; 0 to 10 min.
    /// </summary>
    public TimeSpan TimeoutGrace
    {
        get => _timeoutGrace ?? TimeSpan.FromSeconds(10);
        set => _timeoutGrace = value;
    }

    /// <summary>
    /// Keep what handlers write to any <see cref="ILogger"/> while their attempt runs, for <c>IJobClient.LogsAsync</c> and <c>jobs logs</c>: at most 1,000 lines and 256 KB an attempt, 8 KB a line, for 7 days.
    /// Default true. Configuration key <c>Jobs:Worker:CaptureLogs</c>.
    /// </summary>
    public bool CaptureLogs
    {
        get => _captureLogs ?? true;
        set => _captureLogs = value;
    }

    /// <summary>
    /// Which lines are kept: this level and above. Not set: <see cref="LogLevel.Information"/>, of what the app's own log filters let pass. Set: this alone counts, so that jobs can keep lines that the console
    /// does not show; filters for the provider <c>Jobs</c> still apply. Configuration key <c>Jobs:Worker:LogLevel</c>.
    /// </summary>
    public LogLevel LogLevel
    {
        get => _logLevel ?? LogLevel.Information;
        set => _logLevel = value;
    }

    /// <summary>Works on this queue with up to <paramref name="concurrency"/> handlers at once in this process.</summary>
    /// <param name="name">The queue.</param>
    /// <param name="concurrency">1 to 10,000. Default 20. Twice as many tickets are prefetched, and of very short jobs what 50 ms take (at most 1,000); those are out of the priority order.</param>
    /// <exception cref="ArgumentException">A name or number that is not allowed.</exception>
    public WorkerOptions Queue(QueueName name, int concurrency = DefaultConcurrency)
    {
        _queues[name.Value] = concurrency is >= 1 and <= MaxConcurrency ? concurrency
            : throw new ArgumentOutOfRangeException(nameof(concurrency), concurrency, $"The concurrency {concurrency} of queue \"{name}\" is not allowed; use 1 to {MaxConcurrency}.");
        return this;
    }

    /// <summary>Runs jobs of <typeparamref name="TJob"/> with this handler, made anew in a DI scope of its own for each attempt. One that is an <see cref="IJobHandler{TJob, TResult}"/> leaves a result.</summary>
    /// <param name="retry">How failed attempts are tried again. Default <see cref="RetryPolicy.Default"/>.</param>
    /// <exception cref="InvalidOperationException">The record has no valid <see cref="JobAttribute"/>, or its type has a handler already.</exception>
    public WorkerOptions Handle<TJob, THandler>(RetryPolicy? retry = null)
        where THandler : class, IJobHandler<TJob> =>
        Add<TJob, THandler>(retry, TypedResult.Of<TJob, THandler>() ?? (static async (handler, job, context, ct) =>
        {
            await handler.HandleAsync(job, context, ct);
            return JobOutcome.Succeeded;
        }));

    /// <summary>As <see cref="Handle{TJob, THandler}"/>, for handlers that return an outcome.</summary>
    public WorkerOptions HandleOutcome<TJob, THandler>(RetryPolicy? retry = null)
        where THandler : class, IJobOutcomeHandler<TJob> =>
        Add<TJob, THandler>(retry, static (handler, job, context, ct) => handler.HandleAsync(job, context, ct));

    /// <summary>Adds what the configuration says where the code says nothing.</summary>
    internal WorkerOptions Complete(Settings settings)
    {
        if (_grace is null)
        {
            ShutdownGrace = settings.Seconds("ShutdownGraceSeconds", ShutdownGrace);
        }

        if (_timeoutGrace is null)
        {
            TimeoutGrace = settings.Seconds("TimeoutGraceSeconds", TimeoutGrace);
        }

        _captureLogs ??= settings.Flag("CaptureLogs", CaptureLogs);
        _logLevel ??= settings.Word<LogLevel>("LogLevel");
        foreach (var queue in settings.Children("Queues").Where(q => !_queues.ContainsKey(q.Name)))
        {
            Queue(queue.Name, queue.Number("Concurrency", DefaultConcurrency));
        }

        return this;
    }

    internal IEnumerable<string> Faults()
    {
        if (_queues.Count == 0)
        {
            yield return "WorkerOptions: no queue to work on; add w.Queue(\"default\", concurrency: 20) (configuration key Jobs:Worker:Queues:NAME:Concurrency).";
        }

        if (_handlers.Count == 0)
        {
            yield return "WorkerOptions: no handler; add w.Handle<TheJob, TheHandler>().";
        }

        if (ShutdownGrace < TimeSpan.Zero || ShutdownGrace > TimeSpan.FromHours(1))
        {
            yield return $"WorkerOptions: ShutdownGrace {ShutdownGrace} is not allowed; use 0 to 1 hour (default 25 s).";
        }

        if (!Enum.IsDefined(LogLevel))
        {
            yield return $"WorkerOptions: LogLevel {LogLevel} is not allowed; use one of {string.Join(", ", Enum.GetNames<LogLevel>())} (default Information).";
        }

        if (TimeoutGrace < TimeSpan.Zero || TimeoutGrace > TimeSpan.FromMinutes(10))
        {
            yield return $"WorkerOptions: TimeoutGrace {TimeoutGrace} is not allowed; use 0 to 10 minutes (default 10 s).";
        }
    }

    private WorkerOptions Add<TJob, THandler>(RetryPolicy? retry, Func<THandler, TJob, JobContext, CancellationToken, Task<JobOutcome>> run)
        where THandler : class
    {
        var type = JobType<TJob>.Info.Type;
        if (!_handlers.TryAdd(type, new HandlerEntry<TJob, THandler>(type, retry ?? RetryPolicy.Default, run)))
        {
            throw new InvalidOperationException($"Job type \"{type}\" has a handler already; {typeof(THandler).Name} cannot be a second one.");
        }

        _services.TryAddScoped<THandler>();
        return this;
    }
}
