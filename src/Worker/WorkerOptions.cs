using Jobs.Coordination;
using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Jobs;

/// <summary>
/// What one worker process runs: its queues, each with a number of slots, and its handlers. Also bound from the configuration section <c>Jobs:Worker</c>
/// (<c>Queues:NAME:Concurrency</c>, <c>Pools:NAME</c>, <c>ShutdownGraceSeconds</c>, <c>TimeoutGraceSeconds</c>, <c>CaptureLogs</c>, <c>LogLevel</c>). Of queues and pools, what the configuration says
/// wins, also when it is reloaded while the worker runs, and over it what operators have stored (<c>jobs workers slots</c>); of all else, what code says.
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
    private readonly List<PoolSize> _pools = [];
    private SlotSizes? _sizes;
    private readonly Dictionary<string, HandlerEntry> _handlers = [];

    internal WorkerOptions(IServiceCollection services) => _services = services;

    /// <summary>Slots by queue: what code says, and once it is complete, configuration over code.</summary>
    internal IReadOnlyDictionary<string, int> Queues => Sizes.Queues;

    internal SlotSizes Sizes => _sizes ?? Read(new Settings(null));

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

    /// <summary>Works on this queue with up to <paramref name="concurrency"/> handlers at once in this process. In a <c>Pool</c> that is its cap there.</summary>
    /// <param name="name">The queue.</param>
    /// <param name="concurrency">0 to 10,000; with 0 nothing is taken. Default 20. Twice as many tickets are prefetched, and of very short jobs what 50 ms take (at most 1,000); those are out of the priority order.</param>
    /// <exception cref="ArgumentException">A name or number that is not allowed.</exception>
    public WorkerOptions Queue(QueueName name, int concurrency = DefaultConcurrency)
    {
        _queues[name.Value] = concurrency is >= 0 and <= MaxConcurrency ? concurrency
            : throw new ArgumentOutOfRangeException(nameof(concurrency), concurrency, $"The concurrency {concurrency} of queue \"{name}\" is not allowed; use 0 to {MaxConcurrency}.");
        return this;
    }

    /// <summary>
    /// Works on several queues that share slots. A queue earlier in the list goes first as long as it has tickets in this worker's buffer; later ones may wait for ever. No slot is kept free for a queue
    /// that has nothing to run. A queue that is also named by <see cref="Queue"/> has that concurrency as its cap in the pool. Faults stop the start.
    /// </summary>
    /// <param name="name">What it is called in <c>jobs workers</c>, in settings and in configuration (<c>Jobs:Worker:Pools:NAME</c>: <c>Slots</c>, <c>Queues:0</c>, <c>Queues:1</c> ...).</param>
    /// <param name="slots">How many handlers of all its queues may run at once: 0 to 10,000.</param>
    /// <param name="queues">The first goes first. A queue can be in one pool only.</param>
    public WorkerOptions Pool(string name, int slots, params QueueName[] queues) => Add(name, slots, PoolOrder.Strict, queues?.Select(q => (q.Value, 1)));

    /// <summary>
    /// As the other, by weights: while all have tickets, their starts are in the proportion of their weights. What a queue does not use the others have, and it is not made up for later.
    /// In configuration <c>Jobs:Worker:Pools:NAME:Weights:QUEUE</c>.
    /// </summary>
    /// <param name="name">As there.</param>
    /// <param name="slots">As there.</param>
    /// <param name="queues">Each with its weight: 1 to 1,000.</param>
    public WorkerOptions Pool(string name, int slots, params (QueueName Queue, int Weight)[] queues) => Add(name, slots, PoolOrder.Weighted, queues?.Select(q => (q.Queue.Value, q.Weight)));

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
        _sizes = Read(settings);
        return this;
    }

    /// <summary>Runs jobs of a type that another room has.</summary>
    internal void Add(HandlerEntry entry)
    {
        if (!_handlers.TryAdd(entry.Type, entry))
        {
            throw new InvalidOperationException($"Job type \"{entry.Type}\" has a handler already.");
        }
    }

    /// <summary>Queues and pools as they would be with these settings.</summary>
    internal SlotSizes Read(Settings settings) => SlotSizes.Read(_queues, _pools, settings, DefaultConcurrency);

    internal IEnumerable<string> Faults()
    {
        foreach (var fault in Sizes.Faults)
        {
            yield return fault;
        }

        if (Queues.Count == 0)
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

    private WorkerOptions Add(string name, int slots, PoolOrder order, IEnumerable<(string Queue, int Weight)>? queues)
    {
        _pools.Add(new PoolSize(name, slots, order, [.. queues ?? []]));
        return this;
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

/// <summary>What another room adds to the worker of this process, before the configuration completes it.</summary>
internal sealed record WorkerAddition(Action<WorkerOptions> Add);
