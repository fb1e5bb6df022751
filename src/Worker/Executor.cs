using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;
using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Worker;

/// <summary>
/// X5: runs one attempt from its arguments to what is to be written about it, on one screen. An attempt that is to stop has its token cancelled; if its handler ignores
/// that for the grace period, the attempt is abandoned: it ends without its handler, and frees its slot.
/// </summary>
internal sealed class Executor(
    Completer completer, Running running, Output output, IServiceScopeFactory scopes, WorkerOptions worker, IOptions<JobsOptions> options, WorkerTelemetry telemetry, TimeProvider time,
    ILogger<Executor> log)
{
    private readonly JobsOptions _options = options.Value;
    private readonly TimeSpan _grace = worker.TimeoutGrace;
    private readonly bool _captures = worker.CaptureLogs;
    private volatile bool _givenUp;
    private Lease? _watched;

    /// <summary>Cancels the token of every running handler: the worker's grace period is over.</summary>
    public void GiveUp()
    {
        _givenUp = true;
        StopAll(null, Stop.Shutdown);
    }

    /// <summary>Somebody asked for the end of this attempt, and asks again until it has ended. False: it is not here.</summary>
    public bool Cancel(CancelOrder order)
    {
        if (running.Find(order.Id, order.Attempt) is not { } found)
        {
            return false;
        }

        found.Order ??= order;
        _ = StopAsync(found, Stop.Cancel);
        return true;
    }

    /// <summary>Starts an attempt on the thread pool; its slot is released when the handler has returned or was abandoned.</summary>
    public void Start(Attempt attempt, Slots slots)
    {
        (attempt.Slots, attempt.Output) = (slots, output);
        if (Volatile.Read(ref _watched) != attempt.Lease)
        {
            Watch(attempt.Lease);
        }

        if (attempt.Job.Wait > 0)
        {
            _ = RunLaterAsync(attempt, slots);
            return;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static s => _ = s.self.RunAsync(s.attempt, s.slots), (self: this, attempt, slots), preferLocal: false);
    }

    /// <summary>A rate lets it start in a moment.</summary>
    private async Task RunLaterAsync(Attempt attempt, Slots slots)
    {
        await ExactDelay.WaitAsync(TimeSpan.FromSeconds(attempt.Job.Wait), time, attempt.Token);
        await RunAsync(attempt, slots);
    }

    /// <summary>Once a lease is lost, its attempts are stopped. Watching it twice does no harm.</summary>
    private void Watch(Lease lease)
    {
        Volatile.Write(ref _watched, lease);
        lease.Lost.UnsafeRegister(_ => StopAll(lease, Stop.Lost), null);
    }

    private async Task RunAsync(Attempt attempt, Slots slots)
    {
        var ours = true;
        try
        {
            CrashPoint.Hit("X5");
            var span = Begin(attempt);
            var (outcome, error) = await HandleAsync(attempt);
            ours = attempt.TrySettle();
            Completion? end = ours ? Judge(attempt, outcome, error) : null;
            Measure(attempt, end, ours, span, error);
            if (!ours)
            {
                running.Returned(attempt);
                log.AbandonedReturned(attempt.Job.Id, attempt.Job.Type, attempt.Job.Attempt, error is null ? "returned" : $"threw {error.GetType().Name}: {error.Message}");
            }
            else if (end is { } completion)
            {
                await completer.AddAsync(completion);
            }
            else if (attempt.Why == Stop.Lost)
            {
                running.Remove(attempt); // otherwise it is ours still, to be handed back
            }
        }
        catch (ChannelClosedException)
        {
            log.AttemptCancelled(attempt.Job.Id, attempt.Job.Type, attempt.Job.Attempt); // its handler returned after the worker had given it up
        }
        catch (Exception e)
        {
            // Nothing in there should throw; if it does, the job stays with this session and is run again when the session ends.
            log.AttemptLost(attempt.Job.Id, attempt.Job.Attempt, e);
        }
        finally
        {
            if (ours)
            {
                slots.Release();
            }
        }
    }

    /// <summary>Listeners are the user's code: one that throws must not cost the job its run, or its end.</summary>
    private Activity? Begin(Attempt attempt)
    {
        try
        {
            telemetry.Started(attempt);
            return AttemptSpan.Start(attempt);
        }
        catch (Exception e)
        {
            log.NotMeasured(attempt.Job.Id, attempt.Job.Attempt, e);
            return null;
        }
    }

    private void Measure(Attempt attempt, Completion? end, bool ours, Activity? span, Exception? error)
    {
        try
        {
            var outcome = ours ? Outcomes.Of(attempt, end) : Outcomes.Abandoned;
            if (ours)
            {
                telemetry.Ended(attempt, outcome); // of an abandoned one that was done when it was
            }

            AttemptSpan.End(span, attempt, outcome, error);
        }
        catch (Exception e)
        {
            log.NotMeasured(attempt.Job.Id, attempt.Job.Attempt, e);
        }
    }

    private void MeasureAbandoned(Attempt attempt, Completion? end)
    {
        try
        {
            telemetry.Abandoned(attempt);
            telemetry.Ended(attempt, Outcomes.Of(attempt, end));
        }
        catch (Exception e)
        {
            log.NotMeasured(attempt.Job.Id, attempt.Job.Attempt, e);
        }
    }

    private async ValueTask<(JobOutcome? Outcome, Exception? Error)> HandleAsync(Attempt attempt)
    {
        var job = attempt.Job;
        try
        {
            // Whoever stops many attempts raises its flag first and then looks for them; this one is among them by now, or sees the flag here.
            if (attempt.Lease.Lost.IsCancellationRequested || _givenUp)
            {
                _ = StopAsync(attempt, _givenUp ? Stop.Shutdown : Stop.Lost);
            }

            attempt.Token.ThrowIfCancellationRequested(); // not begun
            foreach (var other in running.AbandonedOf(job.Id))
            {
                log.RunsBesideAbandoned(job.Id, job.Type, job.Attempt, other.Job.Attempt);
            }

            if (attempt.Timeout is { } timeout)
            {
                attempt.StartClock(time, timeout, a => _ = StopAsync((Attempt)a!, Stop.Timeout));
            }

            var context = new JobContext(job.Id, job.Type, new QueueName(attempt.Queue), job.Priority, job.Attempt, job.Failures, job.EnqueuedAt) { Sink = new ProgressTo(attempt) };
            if (job.HasTies)
            {
                context = context with { Batch = job.Batch is { } batch ? new JobId(batch) : null, After = [.. (job.After ?? []).Select(a => new JobId(a))] };
                context = job.Metadata is { } metadata ? context with { Metadata = JsonSerializer.Deserialize<Dictionary<string, string>>(metadata)! } : context;
            }

            if (_captures)
            {
                output.Current.Value = attempt; // until this method has returned
            }

            await using var scope = scopes.CreateAsyncScope();
            return (await attempt.Handler.RunAsync(scope.ServiceProvider, job.Arguments, _options.Json, context, attempt.Token), null);
        }
        catch (Exception e)
        {
            return (null, e); // judged by the caller
        }
    }

    /// <returns>Null: nothing is to be written; the job is handed back, or is somebody else's by now.</returns>
    private Completion? Judge(Attempt attempt, JobOutcome? outcome, Exception? error)
    {
        try
        {
            return error is null ? Judge(attempt, outcome!) : JudgeError(attempt, error);
        }
        catch (Exception e)
        {
            return Failed(attempt, e.GetType().FullName ?? e.GetType().Name, e.Message, e.StackTrace, delay: null); // an outcome that cannot be
        }
    }

    /// <summary>What a handler threw after it had been told to stop is its answer to that, whatever its type.</summary>
    private Completion? JudgeError(Attempt attempt, Exception error)
    {
        var job = attempt.Job;
        var threw = error is OperationCanceledException ? "" : $" Then it threw {error.GetType().FullName}: {error.Message}";
        switch (attempt.Why)
        {
            case Stop.Timeout:
                return Failed(attempt, "Jobs.Timeout", $"The attempt took longer than its timeout, {Text(attempt.Timeout)}, and was cancelled.{threw}", error.StackTrace, delay: null);
            case Stop.Cancel:
                return Cancelled(attempt, threw, error.StackTrace);
            case Stop.Shutdown or Stop.Lost when error is OperationCanceledException:
                log.AttemptCancelled(job.Id, job.Type, job.Attempt);
                return null;
            default:
                return Failed(attempt, error.GetType().FullName ?? error.GetType().Name, error.Message, error.StackTrace, delay: null);
        }
    }

    private Completion Judge(Attempt attempt, JobOutcome outcome)
    {
        switch (outcome)
        {
            case JobOutcome.Done { Result: null }:
                return Completion.Ended(attempt, JobState.Succeeded);
            case JobOutcome.Done { Result: { } result } done:
                var json = JsonSerializer.SerializeToUtf8Bytes(result, _options.Json.GetTypeInfo(done.Declared ?? result.GetType()));
                return json.Length <= _options.MaxArgumentBytes
                    ? Completion.Ended(attempt, JobState.Succeeded, json)
                    : throw new JobTooLargeException($"the result of a \"{attempt.Job.Type}\" job", json.Length, _options.MaxArgumentBytes);
            case JobOutcome.Retry or JobOutcome.Snooze or JobOutcome.Limited when attempt.Why == Stop.Cancel:
                return Cancelled(attempt, $" Then its handler wanted it to {(outcome is JobOutcome.Retry ? "be tried again" : outcome is JobOutcome.Snooze ? "snooze" : "come back later")}.", stack: null);
            case JobOutcome.Retry retry:
                return Failed(attempt, "Jobs.RetryAfter", retry.Reason, stack: null, retry.Delay);
            case JobOutcome.Snooze snooze:
                return Completion.Deferred(attempt, snooze.Delay, error: null);
            case JobOutcome.Limited told:
                return Completion.PushedBack(attempt, told);
            case JobOutcome.Fail fail:
                attempt.ErrorType = "Jobs.FailNow";
                log.JobFailed(attempt.Job.Id, attempt.Job.Type, attempt.Job.Failures + 1, fail.Reason);
                return Completion.Ended(attempt, JobState.Failed, error: ErrorText.Json("Jobs.FailNow", fail.Reason, null));
            default:
                throw new InvalidOperationException($"The handler of \"{attempt.Job.Type}\" returned no outcome; return JobOutcome.Succeeded when it is done.");
        }
    }

    /// <summary>A request holds for the job, not for one attempt: whatever would have been tried again has ended.</summary>
    private Completion Cancelled(Attempt attempt, string more, string? stack)
    {
        log.JobCancelled(attempt.Job.Id, attempt.Job.Type, attempt.Job.Attempt, attempt.Order?.By ?? "somebody");
        return Completion.Ended(attempt, JobState.Cancelled, error: ErrorText.Json("Jobs.Cancelled", $"It was cancelled {Who(attempt)} while it ran.{Why(attempt)}{more}", stack));
    }

    private static string Who(Attempt attempt) => attempt.Order?.By is { } by ? $"by {by}" : "on request";

    private static string Why(Attempt attempt) => attempt.Order?.Reason is { } reason ? $" Reason: {reason.TrimEnd('.')}." : "";

    private Completion Failed(Attempt attempt, string type, string message, string? stack, TimeSpan? delay)
    {
        attempt.ErrorType = type;
        var failures = attempt.Job.Failures + 1;
        var retry = attempt.Handler.Retry;
        var error = ErrorText.Json(type, message, stack);
        if (failures >= retry.MaxAttempts)
        {
            log.JobFailed(attempt.Job.Id, attempt.Job.Type, failures, message);
            return Completion.Ended(attempt, JobState.Failed, error: error);
        }

        var wait = delay ?? DelayAfter(retry, failures, attempt.Job.Type);
        log.AttemptFailed(attempt.Job.Id, attempt.Job.Type, failures, retry.MaxAttempts, wait.TotalSeconds, message);
        return Completion.Deferred(attempt, wait, error);
    }

    private TimeSpan DelayAfter(RetryPolicy retry, int failures, string type)
    {
        try
        {
            return retry.DelayAfter(failures);
        }
        catch (Exception e)
        {
            log.RetryPolicyFailed(type, e); // a delay function of the user's must not cost the job its retry
            return RetryPolicy.Default.DelayAfter(failures);
        }
    }

    private void StopAll(Lease? lease, Stop why)
    {
        foreach (var attempt in running.All.Where(a => lease is null || a.Lease == lease))
        {
            _ = StopAsync(attempt, why);
        }
    }

    private async Task StopAsync(Attempt attempt, Stop why)
    {
        if (!attempt.TryStop(why))
        {
            return;
        }

        try
        {
            if (why != Stop.Shutdown) // the shutdown has a grace period of its own
            {
                attempt.StartGrace(time, _grace, a => _ = AbandonAsync((Attempt)a!));
            }

            await attempt.CancelAsync();
        }
        catch (Exception e)
        {
            log.CancellationThrew(attempt.Job.Id, attempt.Job.Type, attempt.Job.Attempt, e);
        }
    }

    /// <summary>Its handler has not answered: the attempt ends without it. The job goes on as after any such end, and the session tells how many handlers still run.</summary>
    private async Task AbandonAsync(Attempt attempt)
    {
        if (attempt.Slots is not { } slots)
        {
            return; // claimed and not started; it will not be
        }

        running.Abandon(attempt); // first: its handler, returning now, must find itself there
        if (!attempt.TrySettle())
        {
            running.Returned(attempt);
            return;
        }

        var job = attempt.Job;
        try
        {
            var still = $"ignored its cancelled token for {Text(_grace)}, so it was abandoned: its code may still run in process {Environment.ProcessId} of this session.";
            Completion? completion = attempt.Why switch
            {
                Stop.Timeout => Failed(attempt, "Jobs.Timeout", $"The attempt took longer than its timeout, {Text(attempt.Timeout)}, and {still}", stack: null, delay: null),
                Stop.Cancel => Completion.Ended(attempt, JobState.Cancelled, error: ErrorText.Json("Jobs.Cancelled", $"It was cancelled {Who(attempt)} while it ran.{Why(attempt)} It {still}", null)),
                _ => null,
            };
            log.AttemptAbandoned(job.Id, job.Type, job.Attempt, attempt.Why, _grace.TotalSeconds, completion switch
            {
                { End: null } deferred => $"attempt {job.Attempt + 1} may start in {Text(deferred.Delay)}, beside it",
                { End: { } end } => $"the job has {(end == JobState.Cancelled ? "been cancelled" : "failed")}",
                null => "the job runs elsewhere, beside it",
            });
            if (completion is { } c)
            {
                await completer.AddAsync(c);
            }
            else
            {
                running.Remove(attempt);
            }

            MeasureAbandoned(attempt, completion);
        }
        catch (ChannelClosedException)
        {
            log.AttemptCancelled(job.Id, job.Type, job.Attempt); // the worker has stopped meanwhile and handed it back
        }
        catch (Exception e)
        {
            log.AttemptLost(job.Id, job.Attempt, e);
        }
        finally
        {
            slots.Release();
        }
    }

    private static string Text(TimeSpan? time) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{time?.TotalSeconds:0.###} s");
}
