using System.Text.Json;
using System.Threading.Channels;
using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Worker;

/// <summary>X5: runs one attempt from its arguments to what is to be written about it, on one screen.</summary>
internal sealed class Executor(Completer completer, Running running, IServiceScopeFactory scopes, IOptions<JobsOptions> options, ILogger<Executor> log)
{
    private readonly JobsOptions _options = options.Value;
    private readonly CancellationTokenSource _giveUp = new();
    private TokenPair? _tokens;

    /// <summary>Cancels the token of every running handler: the grace period is over.</summary>
    public Task GiveUpAsync() => _giveUp.CancelAsync();

    /// <summary>Starts an attempt on the thread pool; its slot is released when the handler has returned.</summary>
    public void Start(Attempt attempt, SemaphoreSlim slots) => ThreadPool.UnsafeQueueUserWorkItem(
        static s => _ = s.self.RunAsync(s.attempt, s.slots), (self: this, attempt, slots), preferLocal: false);

    private async Task RunAsync(Attempt attempt, SemaphoreSlim slots)
    {
        try
        {
            CrashPoint.Hit("X5");
            if (await HandleAsync(attempt) is { } completion)
            {
                await completer.AddAsync(completion);
            }
            else if (attempt.Lease.Lost.IsCancellationRequested)
            {
                running.Remove(attempt.Job.Id, attempt.Job.Attempt); // otherwise it is ours still, to be handed back
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
            slots.Release();
        }
    }

    /// <returns>Null: nothing is to be written; the job is handed back, or is somebody else's by now.</returns>
    private async ValueTask<Completion?> HandleAsync(Attempt attempt)
    {
        var (job, queue, lease, handler) = attempt;
        var ct = TokenFor(lease);
        try
        {
            var context = new JobContext(job.Id, job.Type, new QueueName(queue), job.Priority, job.Attempt, job.Failures, job.EnqueuedAt);
            if (job.HasTies)
            {
                context = context with { Batch = job.Batch is { } batch ? new JobId(batch) : null, After = [.. (job.After ?? []).Select(a => new JobId(a))] };
            }

            await using var scope = scopes.CreateAsyncScope();
            return Judge(attempt, await handler.RunAsync(scope.ServiceProvider, job.Arguments, _options.Json, context, ct));
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            log.AttemptCancelled(job.Id, job.Type, job.Attempt);
            return null;
        }
        catch (Exception e)
        {
            return Failed(attempt, e.GetType().FullName ?? e.GetType().Name, e.Message, e.StackTrace, delay: null);
        }
    }

    private Completion Judge(Attempt attempt, JobOutcome outcome)
    {
        switch (outcome)
        {
            case JobOutcome.Done { Result: null }:
                return Completion.Ended(attempt, JobState.Succeeded);
            case JobOutcome.Done { Result: { } result }:
                var json = JsonSerializer.SerializeToUtf8Bytes(result, _options.Json.GetTypeInfo(result.GetType()));
                return json.Length <= _options.MaxArgumentBytes
                    ? Completion.Ended(attempt, JobState.Succeeded, json)
                    : throw new JobTooLargeException($"the result of a \"{attempt.Job.Type}\" job", json.Length, _options.MaxArgumentBytes);
            case JobOutcome.Retry retry:
                return Failed(attempt, "Jobs.RetryAfter", retry.Reason, stack: null, retry.Delay);
            case JobOutcome.Snooze snooze:
                return Completion.Deferred(attempt, snooze.Delay, error: null);
            case JobOutcome.Fail fail:
                log.JobFailed(attempt.Job.Id, attempt.Job.Type, attempt.Job.Failures + 1, fail.Reason);
                return Completion.Ended(attempt, JobState.Failed, error: ErrorText.Json("Jobs.FailNow", fail.Reason, null));
            default:
                throw new InvalidOperationException($"The handler of \"{attempt.Job.Type}\" returned no outcome; return JobOutcome.Succeeded when it is done.");
        }
    }

    private Completion Failed(Attempt attempt, string type, string message, string? stack, TimeSpan? delay)
    {
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

    /// <summary>One token for all attempts of a lease: cancelled when the lease is lost or the grace period is over.</summary>
    private CancellationToken TokenFor(Lease lease)
    {
        var tokens = Volatile.Read(ref _tokens);
        if (tokens?.Lease != lease)
        {
            tokens = new TokenPair(lease, CancellationTokenSource.CreateLinkedTokenSource(lease.Lost, _giveUp.Token).Token);
            Volatile.Write(ref _tokens, tokens);
        }

        return tokens.Token;
    }

    private sealed record TokenPair(Lease Lease, CancellationToken Token);
}
