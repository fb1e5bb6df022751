using System.Threading.Channels;
using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Worker;

/// <summary>
/// X6, X7: writes how attempts ended, all that are waiting in one statement a kind. What the database cannot take now is kept and written when it can; rows that
/// are no longer this session's are counted and left alone.
/// </summary>
internal sealed class Completer(
    JobStore store, RepairStore repair, Followers followers, Admissions admissions, Running running, WorkerTelemetry telemetry, CoordinationTelemetry counts, Pulses pulses, TimeProvider time,
    ILogger<Completer> log)
{
    private const int MaxBatch = 500;
    private const int DaysAhead = 14;

    private readonly Channel<Completion> _waiting = Channel.CreateBounded<Completion>(new BoundedChannelOptions(4 * MaxBatch) { SingleReader = true });
    private readonly CancellationTokenSource _giveUp = new();
    private readonly List<Completion> _batch = new(MaxBatch);
    private readonly Pulse _pulse = pulses.Add("completer");
    private readonly HashSet<string> _unlimited = new(StringComparer.Ordinal); // types that were told of
    private long _refused;

    /// <summary>Outcomes that came too late: their attempt had been taken away.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Waits only when thousands of outcomes are unwritten; the handler's slot is held meanwhile, which stops further claims.</summary>
    public ValueTask AddAsync(Completion completion) => _waiting.Writer.WriteAsync(completion);

    /// <summary>Writes until <see cref="FinishAsync"/>.</summary>
    public async Task RunAsync()
    {
        telemetry.Buffered = () => _waiting.Reader.Count;
        while (await _waiting.Reader.WaitToReadAsync())
        {
            await Task.Yield(); // behind handlers that are about to return: their outcomes come along
            _batch.Clear();
            while (_batch.Count < MaxBatch && _waiting.Reader.TryRead(out var completion))
            {
                _batch.Add(completion);
            }

            if (_batch.TrueForAll(c => c.IsPlainSuccess && c.Attempt.Lease == _batch[0].Attempt.Lease))
            {
                await WriteAsync(_batch);
            }
            else
            {
                foreach (var group in _batch.GroupBy(c => (c.Attempt.Lease, c.IsPlainSuccess, c.End is null, c.Told is null)))
                {
                    await WriteAsync([.. group]);
                }
            }

            _pulse.Rest();
        }
    }

    /// <summary>No more outcomes come; those that wait are written, until <paramref name="giveUp"/>.</summary>
    public async Task FinishAsync(Task run, CancellationToken giveUp)
    {
        _waiting.Writer.TryComplete();
        await using var registration = giveUp.UnsafeRegister(s => ((CancellationTokenSource)s!).Cancel(), _giveUp);
        await run;
    }

    /// <summary>One statement for outcomes of one session and one kind.</summary>
    private async Task WriteAsync(List<Completion> batch)
    {
        batch.Sort(static (a, b) => a.Attempt.Job.Id.Value.CompareTo(b.Attempt.Job.Id.Value)); // the same order as all who lock many: no deadlocks
        var started = time.GetTimestamp();
        try
        {
            for (var n = 1; ; n++)
            {
                _pulse.Begin();
                try
                {
                    CrashPoint.Hit("X6");
                    var (written, followed, gates) = await WriteOnceAsync(batch);
                    CrashPoint.Hit("X7");
                    followers.Tell(followed);
                    Fill(batch, gates);
                    telemetry.Written(batch.Count, written, time.GetElapsedTime(started));
                    Count(batch, written);
                    if (written < batch.Count)
                    {
                        // After a repetition the first try may have been the one that counted; the rows cannot tell, and nothing is lost either way.
                        Interlocked.Add(ref _refused, batch.Count - written);
                        log.OutcomesRefused(batch.Count - written, batch.Count, n);
                    }

                    return;
                }
                catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CheckViolation && e.Message.Contains("partition", StringComparison.Ordinal))
                {
                    await repair.MakePartitionsAsync(DaysAhead, _giveUp.Token); // no scheduler has run for two weeks
                }
                catch (PostgresException e) when (e.SqlState.StartsWith("22", StringComparison.Ordinal) && batch.Count > 1)
                {
                    // One outcome that the database cannot store must not hold up the others.
                    foreach (var one in batch)
                    {
                        await WriteAsync([one]);
                    }

                    return;
                }
                catch (PostgresException e) when (e.SqlState.StartsWith("22", StringComparison.Ordinal) && batch[0].Error is null && batch[0].End is not null)
                {
                    batch = [Completion.Ended(batch[0].Attempt, JobState.Failed, error: ErrorText.Json("Jobs.ResultRefused", $"Postgres refused the result: {e.Message}", null))];
                }
                catch (Exception e) when (!_giveUp.IsCancellationRequested)
                {
                    log.OutcomesKept(batch.Count, n, e.Message);
                    await Task.Delay(Transient.Delay(n), time, _giveUp.Token);
                }
            }
        }
        catch (Exception e) when (_giveUp.IsCancellationRequested)
        {
            log.OutcomesGivenUp(batch.Count, e.Message); // their session ends now, and a scheduler has them run again
        }
        finally
        {
            foreach (var (attempt, _, _, _, _) in batch)
            {
                running.Remove(attempt);
            }
        }
    }

    /// <summary>Gates at which somebody waits have room now: for who ended there last, else for all.</summary>
    private void Fill(List<Completion> batch, IReadOnlyList<string> gates)
    {
        if (gates.Count > 0 && !(batch.Find(c => c.Attempt.Job.IsLimited).Attempt?.Slots is { } slots
            && slots.Vacancies.TryOffer(gates, batch.Count(c => c.Attempt.Job.IsLimited && c.Attempt.Slots == slots))))
        {
            admissions.Admit(gates);
        }
    }

    /// <summary>Runs of the same kind at once. Where some were refused the statement does not say which; the first ones stand for those that were not.</summary>
    private void Count(List<Completion> batch, int written)
    {
        if (batch[0].End is null || !counts.CountsEnds)
        {
            return; // goes on
        }

        for (int from = 0, to = 1; from < written; to++)
        {
            var (first, next) = (batch[from], to < written ? batch[to] : default);
            if (to == written || next.End != first.End || next.Attempt.Job.Type != first.Attempt.Job.Type || next.Attempt.Queue != first.Attempt.Queue)
            {
                counts.Ended(first.Attempt.Queue, first.Attempt.Job.Type, first.End!.Value, to - from);
                from = to;
            }
        }
    }

    private async Task<EndReport> WriteOnceAsync(List<Completion> batch)
    {
        var session = batch[0].Attempt.Lease.Id;
        if (batch[0].Told is not null)
        {
            return await PushBackAsync(session, batch);
        }

        if (batch[0].End is null)
        {
            return await store.DeferIfRunningAsync(session, batch.ConvertAll(c => new DeferredAttempt(c.Attempt.Job.Id, c.Attempt.Job.Attempt, c.Delay, c.Error)), _giveUp.Token);
        }

        var plain = default(EndReport?);
        if (batch[0].IsPlainSuccess)
        {
            plain = await store.EndSucceededIfRunningAsync(
                session, batch.ConvertAll(c => c.Attempt.Job.Id.Value).ToArray(), batch.ConvertAll(c => c.Attempt.Job.Attempt).ToArray(), batch.Exists(c => c.Attempt.Job.IsLimited), _giveUp.Token);
            if (plain.Value.Written == batch.Count)
            {
                return plain.Value;
            }
        }

        // Also what the plain statement left: a limit that was set while they ran counts them now.
        var general = await store.EndIfRunningAsync(
            session, batch.ConvertAll(c => new EndedAttempt(c.Attempt.Job.Id, c.Attempt.Job.Attempt, c.End!.Value, c.Result, c.Error)), _giveUp.Token);
        return plain is { } p ? p + general : general;
    }

    private async Task<EndReport> PushBackAsync(Guid session, List<Completion> batch)
    {
        var (report, unknown) = await store.PushBackIfRunningAsync(
            session, batch.ConvertAll(c => new PushedBack(c.Attempt.Job.Id, c.Attempt.Job.Attempt, c.Delay, c.Told!.Limit)), _giveUp.Token);
        foreach (var type in unknown.Where(_unlimited.Add))
        {
            log.NoLimitKnows(type);
        }

        return report;
    }
}
