using Jobs.Coordination;

namespace Jobs.Producer;

/// <content>What an operator tells those that run.</content>
internal sealed partial class JobOperator
{
    private static readonly TimeSpan LeastAgeing = TimeSpan.FromSeconds(1);
    private const int MostWeight = 1000;
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

    public Task SetFairnessAsync(QueueName queue, string? key, CancellationToken ct = default) =>
        LimitRules.PathFault(key, "key of the fairness") is { } fault ? throw new ArgumentException($"Queue \"{queue}\" cannot be made fair: {fault}", nameof(key)) : fairStore.SetAsync(queue.Value, key, ct);

    public async Task SetFairWeightAsync(QueueName queue, string value, int weight, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (weight is < 1 or > MostWeight)
        {
            throw new ArgumentOutOfRangeException(nameof(weight), weight, $"The weight {weight} is not allowed; use 1 to {MostWeight:N0}.");
        }

        if (!await fairStore.SetWeightAsync(queue.Value, value, weight, ct))
        {
            throw new JobsException($"Queue \"{queue}\" is not fair, so a weight has no meaning there. Give it a key first: jobs queues fair {queue} --key tenantId");
        }
    }
}
