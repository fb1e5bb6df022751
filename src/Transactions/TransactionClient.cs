using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.Producer;
using Jobs.RabbitMq;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>Writes transactions down with the jobs of their first stage, and looks at them.</summary>
internal sealed class TransactionClient(
    TransactionStore store, TicketPublisher tickets, TransactionDesk desk, TransactionTelemetry telemetry, Ends ends, IOptions<JobsOptions> options, TransactionsOptions transactions, TimeProvider time)
    : ITransactions
{
    /// <summary>How often it is looked whether a transaction has ended, at first and at last: in spite of the signals, because they are hints; and without them.</summary>
    private static readonly (TimeSpan First, TimeSpan Last) Listening = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10));
    private static readonly (TimeSpan First, TimeSpan Last) Deaf = (TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(500));

    public async Task<TransactionId> BeginAsync(TransactionPlan plan, CancellationToken ct = default)
    {
        using var span = plan is null ? null : TransactionTelemetry.StartBegin(plan);
        var begun = Begun(plan!);
        var first = await store.BeginAsync(begun, ct);
        CrashPoint.Hit("T1");
        telemetry.Begun(plan!);
        await tickets.SendAsync(first, ct);
        return plan!.Id;
    }

    public async Task<TransactionId> BeginAsync(TransactionPlan plan, NpgsqlTransaction transaction, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        using var span = plan is null ? null : TransactionTelemetry.StartBegin(plan);
        await store.BeginAsync(Begun(plan!), transaction, pending: true, ct);
        telemetry.Begun(plan!);
        return plan!.Id;
    }

    public async Task<TransactionInfo> WaitAsync(TransactionId id, TimeSpan timeout, CancellationToken ct = default)
    {
        if (timeout != Timeout.InfiniteTimeSpan && (timeout < TimeSpan.Zero || timeout > TimeSpan.FromDays(30)))
        {
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, $"The timeout {timeout} is not allowed; use 0 to 30 days, or Timeout.InfiniteTimeSpan.");
        }

        var began = time.GetTimestamp();
        if (timeout == TimeSpan.Zero)
        {
            return await GetAsync(id, ct) is { } now ? now.EndedAt is null ? throw Late(now, timeout) : now : throw Missing(id);
        }

        using var waiter = ends.Join(id.Value);
        for (var looks = 0; ; looks++)
        {
            var (first, last) = await waiter.WatchAsync(ct) ? Listening : Deaf;
            var info = await GetAsync(id, ct) ?? throw Missing(id);
            if (info.EndedAt is not null)
            {
                return info;
            }

            var pause = first * Math.Pow(1.5, Math.Min(looks, 20));
            pause = pause < last ? pause : last;
            if (timeout != Timeout.InfiniteTimeSpan)
            {
                var left = timeout - time.GetElapsedTime(began);
                pause = left <= TimeSpan.Zero ? throw Late(info, timeout) : left < pause ? left : pause;
            }

            if (await waiter.PauseAsync(pause, time, ct) && await GetAsync(id, ct) is { EndedAt: not null } ended)
            {
                return ended;
            }
        }
    }

    public async Task<TransactionInfo?> GetAsync(TransactionId id, CancellationToken ct = default) =>
        await store.FindAsync(id.Value, ct) is not { } seen ? null : new TransactionInfo
        {
            Id = id,
            Name = seen.Name,
            Mode = StateWords.Read<TransactionMode>(seen.Mode),
            State = StateWords.Read<TransactionState>(seen.State),
            Commit = seen.Decision is null ? null : seen.Decision == "commit",
            Reason = seen.Reason,
            CreatedAt = seen.CreatedAt,
            DeadlineAt = seen.DeadlineAt,
            DecidedAt = seen.DecidedAt,
            EndedAt = seen.EndedAt,
            Branches = [.. seen.Branches.Select(b => new BranchInfo
            {
                Number = b.Number,
                Stage = b.Stage,
                Kind = b.Kind,
                State = StateWords.Read<BranchState>(b.State),
                Reason = b.Reason,
                Job = b.Job is { } job ? new JobId(job) : null,
                AskedAt = b.AskedAt,
                VotedAt = b.VotedAt,
                EndedAt = b.EndedAt,
                Payload = b.Arguments,
            })],
        };

    public Task<bool> AbortAsync(TransactionId id, string reason, CancellationToken ct = default)
    {
        TransactionDesk.CheckReason(reason);
        return desk.AbortAsync(id.Value, reason, By(reason), ct);
    }

    public async Task RetryAsync(TransactionId id, CancellationToken ct = default)
    {
        _ = await GetAsync(id, ct) ?? throw Missing(id);
        await desk.RetryAsync(id.Value, branch: null, By(null), ct);
    }

    public async Task SettleAsync(TransactionId id, int branch, string reason, CancellationToken ct = default)
    {
        TransactionDesk.CheckReason(reason);
        if (!await desk.SettleAsync(id.Value, branch, By(reason), ct))
        {
            var seen = await store.FindAsync(id.Value, ct) ?? throw Missing(id);
            TransactionDesk.CheckParked(id.Value, seen.Branches.Select(b => (b.Number, b.State)), branch);
        }
    }

    private Doer By(string? reason) => new(options.Value.AppName, reason);

    private static JobsException Missing(TransactionId id) => TransactionDesk.Missing(id.Value);

    private static TimeoutException Late(TransactionInfo info, TimeSpan timeout) => new($"Transaction {info.Id} has not ended within {timeout}: it is {StateWords.Of(info.State)} and waits for "
        + $"{string.Join(", ", info.Awaited.Select(b => $"branch {b.Number} ({b.Kind}, {StateWords.Of(b.State)})"))}.");

    private NewTransaction Begun(TransactionPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var faults = plan.Faults().Distinct().ToList();
        if (faults.Count > 0)
        {
            throw new ArgumentException(string.Join(" ", faults), nameof(plan));
        }

        var id = plan.Id.Value;
        var (branches, jobs) = (new List<NewBranch>(), new List<NewJob>());
        var saga = plan.Mode == TransactionMode.Saga;
        foreach (var planned in plan.Branches)
        {
            var (info, how) = (planned.Info, planned.Options ?? new StepOptions());
            var arguments = planned.Write(options.Value.Json);
            if (arguments.Length > options.Value.MaxArgumentBytes)
            {
                throw new JobTooLargeException($"the payload of a \"{info.Kind}\" branch", arguments.Length, options.Value.MaxArgumentBytes);
            }

            Guid? job = planned.Stage == 1 ? JobId.New().Value : null;
            branches.Add(new NewBranch(planned.Stage, info.Kind, info.Queue, arguments, !saga || info.Compensation == Compensation.ByStep,
                saga && !how.Forward ? how.MaxAttempts : null, saga ? how.ParkAfter : null, job));
            if (job is { } first)
            {
                jobs.Add(Turn.Job(id, first, info.Kind, info.Queue, plan.Priority.Value, branches.Count, 1, Verb.Prepare, null));
            }
        }

        var watch = WatchJob.Of(id, plan.Timeout < transactions.WatchEvery ? plan.Timeout : transactions.WatchEvery);
        jobs.Add(watch);
        var trace = Traceparent.Current;
        return new NewTransaction(id, plan.Name, StateWords.Of(plan.Mode), plan.Priority.Value, plan.Timeout.TotalSeconds, branches, [.. jobs.Select(j => Turn.Traced(j, trace))])
        {
            Trace = trace, Watch = watch.Id.Value,
        };
    }
}
