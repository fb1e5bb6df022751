using Microsoft.Extensions.Logging;

namespace Jobs.Bench.Ours;

/// <summary>Nothing but a line in the log.</summary>
internal sealed partial class LoggingHandler(Handled handled, ILogger<LoggingHandler> log) : IJobHandler<NoOp>
{
    public Task HandleAsync(NoOp job, JobContext context, CancellationToken ct)
    {
        Ran(log, context.Id, context.Attempt);
        handled.Add(1);
        return Task.CompletedTask;
    }

    [LoggerMessage(1, LogLevel.Information, "Job {JobId} ran, attempt {Attempt}")]
    private static partial void Ran(ILogger log, JobId jobId, int attempt);
}

/// <summary>Nothing but a word about its progress.</summary>
internal sealed class ProgressHandler(Handled handled) : IJobHandler<NoOp>
{
    public Task HandleAsync(NoOp job, JobContext context, CancellationToken ct)
    {
        context.Progress(1, 1, "done");
        handled.Add(1);
        return Task.CompletedTask;
    }
}

/// <summary>Nothing but a result.</summary>
internal sealed class ResultHandler(Handled handled) : IJobHandler<NoOp, int>
{
    public Task<int> HandleAsync(NoOp job, JobContext context, CancellationToken ct)
    {
        handled.Add(1);
        return Task.FromResult(42);
    }
}
