using Microsoft.Extensions.Logging;

namespace Jobs.Worker;

/// <summary>Every log line of this room. Event ids 1400 to 1499.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1400, LogLevel.Information, "Worker started: {Queues}; {Types} job types")]
    public static partial void WorkerStarted(this ILogger log, string queues, int types);

    [LoggerMessage(1401, LogLevel.Information, "Worker is stopping: {Running} attempts run and have {GraceSeconds} s to finish")]
    public static partial void WorkerStopping(this ILogger log, int running, double graceSeconds);

    [LoggerMessage(1402, LogLevel.Information, "Worker stopped; {HandedBack} jobs were handed back")]
    public static partial void WorkerStopped(this ILogger log, int handedBack);

    [LoggerMessage(1403, LogLevel.Warning, "Handing jobs back did not work; a scheduler will find them when this session has ended: {Error}")]
    public static partial void NotHandedBack(this ILogger log, string error);

    [LoggerMessage(1410, LogLevel.Error, "The claimer of queue {Queue} met an unexpected error and goes on in a second")]
    public static partial void ClaimerFailed(this ILogger log, string queue, Exception error);

    [LoggerMessage(1411, LogLevel.Warning, "Claiming {Count} jobs of queue {Queue} did not get an answer (try {Try}), trying again: {Error}")]
    public static partial void ClaimRepeated(this ILogger log, string queue, int count, int @try, string error);

    [LoggerMessage(1412, LogLevel.Warning, "Queue {Queue} holds jobs of type {Type}, which this worker has no handler for; they are released for one that has. Said once for each type")]
    public static partial void TypeUnknown(this ILogger log, string type, string queue);

    [LoggerMessage(1413, LogLevel.Warning, "Releasing jobs of queue {Queue} without a handler here did not work: {Error}")]
    public static partial void ReleaseFailed(this ILogger log, string queue, string error);

    [LoggerMessage(1420, LogLevel.Warning, "Job {JobId} ({Type}) failed {Failures} of {MaxAttempts} times, next attempt in {DelaySeconds:F1} s: {Error}")]
    public static partial void AttemptFailed(this ILogger log, JobId jobId, string type, int failures, int maxAttempts, double delaySeconds, string error);

    [LoggerMessage(1421, LogLevel.Error, "Job {JobId} ({Type}) has failed for good after {Failures} failed attempts: {Error}")]
    public static partial void JobFailed(this ILogger log, JobId jobId, string type, int failures, string error);

    [LoggerMessage(1422, LogLevel.Information, "Job {JobId} ({Type}), attempt {Attempt}, was cancelled; it runs again elsewhere")]
    public static partial void AttemptCancelled(this ILogger log, JobId jobId, string type, int attempt);

    [LoggerMessage(1423, LogLevel.Error, "Job {JobId}, attempt {Attempt}: an error in the worker itself; the job is run again when this session ends")]
    public static partial void AttemptLost(this ILogger log, JobId jobId, int attempt, Exception error);

    [LoggerMessage(1424, LogLevel.Error, "The retry delay of {Type} threw; the default is used")]
    public static partial void RetryPolicyFailed(this ILogger log, string type, Exception error);

    [LoggerMessage(1425, LogLevel.Information, "Job {JobId} ({Type}), attempt {Attempt}, was cancelled on request of {By}")]
    public static partial void JobCancelled(this ILogger log, JobId jobId, string type, int attempt, string by);

    [LoggerMessage(1426, LogLevel.Error, "Job {JobId} ({Type}), attempt {Attempt}, was told to stop ({Why}) and ignored that for {GraceSeconds} s. It is abandoned: its code may still run in this process; {Then}")]
    public static partial void AttemptAbandoned(this ILogger log, JobId jobId, string type, int attempt, Stop why, double graceSeconds, string then);

    [LoggerMessage(1427, LogLevel.Warning, "Job {JobId} ({Type}): the handler of attempt {Attempt}, which was abandoned, {Returned}. That changes nothing")]
    public static partial void AbandonedReturned(this ILogger log, JobId jobId, string type, int attempt, string returned);

    [LoggerMessage(1428, LogLevel.Error, "Job {JobId} ({Type}): attempt {Attempt} starts while the code of attempt {Abandoned}, which was abandoned, still runs in this process")]
    public static partial void RunsBesideAbandoned(this ILogger log, JobId jobId, string type, int attempt, int abandoned);

    [LoggerMessage(1429, LogLevel.Error, "Job {JobId} ({Type}), attempt {Attempt}: what its handler had registered with its token threw when that was cancelled")]
    public static partial void CancellationThrew(this ILogger log, JobId jobId, string type, int attempt, Exception error);

    [LoggerMessage(1430, LogLevel.Warning, "{Count} outcomes could not be written (try {Try}); they are kept and written as soon as Postgres takes them: {Error}")]
    public static partial void OutcomesKept(this ILogger log, int count, int @try, string error);

    [LoggerMessage(1431, LogLevel.Warning, "{Refused} of {Count} outcomes were refused (try {Try}): their attempts had been taken away from this worker")]
    public static partial void OutcomesRefused(this ILogger log, int refused, int count, int @try);

    [LoggerMessage(1432, LogLevel.Error, "{Count} outcomes could not be written before the shutdown's deadline; their jobs are run again: {Error}")]
    public static partial void OutcomesGivenUp(this ILogger log, int count, string error);

    [LoggerMessage(1433, LogLevel.Warning, "A handler of {Type} said RateLimited, and no limit knows the job, or none with the name it gave: only that job waits, and others of its kind go on. "
        + "Set a limit for its queue, its type or a key with IJobLimits.SetAsync. Said once for each type")]
    public static partial void NoLimitKnows(this ILogger log, string type);

    [LoggerMessage(1440, LogLevel.Information, "Queue {Queue} is paused: its tickets went back to the broker, and none of its jobs is started until it is resumed")]
    public static partial void QueuePaused(this ILogger log, string queue);

    [LoggerMessage(1441, LogLevel.Information, "Queue {Queue} goes on after a pause")]
    public static partial void QueueResumed(this ILogger log, string queue);

    [LoggerMessage(1442, LogLevel.Information, "Worker is draining, by order of {By} ({Reason}): it takes no more jobs, and leaves when the {Running} that it runs have ended")]
    public static partial void WorkerDraining(this ILogger log, int running, string by, string reason);

    [LoggerMessage(1443, LogLevel.Information, "Worker is drained and leaves")]
    public static partial void WorkerDrained(this ILogger log);

    [LoggerMessage(1444, LogLevel.Warning, "What operators say about queues was not read (try {Try}), trying again; what was heard last stands: {Error}")]
    public static partial void OrdersNotRead(this ILogger log, int @try, string error);

    [LoggerMessage(1460, LogLevel.Information, "The {What} {Name} has {Now} slots instead of {Before}, by order of {By}; what runs goes on")]
    public static partial void SlotsChanged(this ILogger log, string what, string name, int before, int now, string by);

    [LoggerMessage(1461, LogLevel.Warning, "The configuration was reloaded and its slots are not taken over; those there were stand: {Error}")]
    public static partial void SlotsRefused(this ILogger log, string error);

    [LoggerMessage(1450, LogLevel.Warning, "Log lines of {Count} attempts could not be written (try {Try}); they are kept, in bounded memory, until Postgres takes them: {Error}")]
    public static partial void LogLinesKept(this ILogger log, int count, int @try, string error);

    [LoggerMessage(1451, LogLevel.Error, "Log lines of {Count} attempts are lost: {Error}")]
    public static partial void LogLinesLost(this ILogger log, int count, string error);

    [LoggerMessage(1452, LogLevel.Warning, "{Count} log lines of handlers were left out, because {Megabytes} MB of them were waiting for Postgres")]
    public static partial void LogLinesDropped(this ILogger log, long count, long megabytes);

    [LoggerMessage(1453, LogLevel.Warning, "The progress of {Count} attempts could not be written; their next word is tried again: {Error}")]
    public static partial void ProgressNotWritten(this ILogger log, int count, string error);

    [LoggerMessage(1446, LogLevel.Error, "A listener to spans or metrics threw at attempt {Attempt} of job {JobId}; the job is not touched by that")]
    public static partial void NotMeasured(this ILogger log, JobId jobId, int attempt, Exception error);
}
