using Microsoft.Extensions.Logging;

namespace Jobs.Tests.FaultHost;

/// <summary>A job that logs: its first attempt without end, any other <see cref="Lines"/> lines.</summary>
[Job("chatty")]
internal sealed record Chatty(long N)
{
    public const int Lines = 3;
}

internal sealed partial class ChattyHandler(LineFile runs, ILogger<ChattyHandler> log, TimeProvider time) : IJobHandler<Chatty>
{
    public async Task HandleAsync(Chatty job, JobContext context, CancellationToken ct)
    {
        runs.Append($"{context.Id} {context.Attempt} {time.GetUtcNow().ToUnixTimeMilliseconds()}");
        for (var n = 1; n <= Chatty.Lines || context.Attempt == 1; n++)
        {
            Said(log, n, context.Attempt);
            await Task.Delay(TimeSpan.FromMilliseconds(5), time, ct);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "line {Line} of attempt {Attempt}")]
    private static partial void Said(ILogger log, int line, int attempt);
}
