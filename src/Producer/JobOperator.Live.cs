using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <content>What an operator tells those that run.</content>
internal sealed partial class JobOperator
{
    private static readonly TimeSpan LeastAgeing = TimeSpan.FromSeconds(1);
    private const int MostWeight = 1000;
    private static readonly TimeSpan MostAgeing = TimeSpan.FromDays(7);
    private const int MostSlots = 10_000; // as WorkerOptions.MaxConcurrency
    private const int MostWorker = 200;

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

    public Task SetSlotsAsync(QueueName queue, int slots, string? worker = null, Act? act = null, CancellationToken ct = default) => SetAsync(SlotSetting.OfQueue, queue.Value, slots, worker, act, ct);

    public Task SetPoolSlotsAsync(string pool, int slots, string? worker = null, Act? act = null, CancellationToken ct = default) =>
        SetAsync(SlotSetting.OfPool, NameRule.Check(pool, "pool name"), slots, worker, act, ct);

    public Task<bool> ClearSlotsAsync(QueueName queue, string? worker = null, CancellationToken ct = default) => queueStore.ClearSlotsAsync(SlotSetting.OfQueue, queue.Value, Worker(worker), ct);

    public Task<bool> ClearPoolSlotsAsync(string pool, string? worker = null, CancellationToken ct = default) =>
        queueStore.ClearSlotsAsync(SlotSetting.OfPool, NameRule.Check(pool, "pool name"), Worker(worker), ct);

    public async Task<IReadOnlyList<StoredSlots>> StoredSlotsAsync(CancellationToken ct = default) => await queueStore.StoredSlotsAsync(ct);

    private async Task SetAsync(string kind, string name, int slots, string? worker, Act? act, CancellationToken ct)
    {
        if (slots is < 0 or > MostSlots)
        {
            throw new ArgumentOutOfRangeException(nameof(slots), slots, $"{slots} slots for {kind} \"{name}\" are not allowed; use 0 (nothing is taken) to {MostSlots}.");
        }

        var (by, reason) = control.DoerOf(act);
        if (!await queueStore.SetSlotsAsync(kind, name, Worker(worker), slots, by, reason, ct))
        {
            throw new JobsException($"There is no worker with the session {worker}: it has left, or it is a process that runs no jobs. `jobs workers` lists those there are.");
        }
    }

    /// <summary>As it is stored: empty for all.</summary>
    private static string Worker(string? worker) => worker switch
    {
        null => "",
        { Length: > MostWorker } => throw new ArgumentException($"The worker \"{worker[..24]}...\" has {worker.Length} characters; at most {MostWorker} are allowed.", nameof(worker)),
        _ when string.IsNullOrWhiteSpace(worker) || worker.Any(char.IsControl) => throw new ArgumentException(
            $"The worker \"{worker}\" is empty or holds control characters; use a session's id, MACHINE/APP or MACHINE as `jobs workers` shows them, or null for all.", nameof(worker)),
        _ => Guid.TryParse(worker, out var session) ? session.ToString() : worker,
    };
}
