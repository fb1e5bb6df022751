namespace Jobs.Producer;

/// <content>What an operator tells those that run.</content>
internal sealed partial class JobOperator
{
    private static readonly TimeSpan LeastAgeing = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MostAgeing = TimeSpan.FromDays(7);

    public Task PauseQueueAsync(QueueName queue, DateTimeOffset? until = null, Act? act = null, CancellationToken ct = default)
    {
        if (until <= time.GetUtcNow())
        {
            throw new ArgumentOutOfRangeException(nameof(until), until, $"The pause would end at {until:O}, which is past; name a later time, or none to pause until it is resumed.");
        }

        var (by, reason) = control.DoerOf(act);
        return queueStore.PauseAsync(queue.Value, until, by, reason, ct);
    }

    public Task<bool> ResumeQueueAsync(QueueName queue, CancellationToken ct = default) => queueStore.ResumeAsync(queue.Value, ct);

    public async Task DrainAsync(Guid session, Act? act = null, CancellationToken ct = default)
    {
        var (by, reason) = control.DoerOf(act);
        if (!await queueStore.DrainIfWorkerAsync(session, by, reason, ct))
        {
            throw new JobsException($"There is no worker with the session {session}: it has left, or it is a process that runs no jobs. `jobs workers` lists those there are.");
        }
    }

    public Task SetAgeingAsync(QueueName queue, TimeSpan? each, CancellationToken ct = default)
    {
        if (each is { } e && (e < LeastAgeing || e > MostAgeing || e.Ticks % TimeSpan.TicksPerSecond != 0))
        {
            throw new ArgumentOutOfRangeException(nameof(each), each, $"A level each {each} is not allowed; use whole seconds, from 1 s to 7 days, or null for none.");
        }

        return queueStore.SetAgeingAsync(queue.Value, (int?)each?.TotalSeconds, ct);
    }
}
