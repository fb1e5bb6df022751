using Jobs.Coordination;
using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Scheduler;

/// <summary>
/// Makes jobs of the messages of other programs. In every scheduler: they compete for the messages. A batch is what is there when the previous one is done; it is acknowledged
/// after its commit, so a crash in between only has it delivered again, and the message id, held in the same transaction, makes that the same job.
/// </summary>
internal sealed class Ingester(
    JobStore store, Rows rows, TicketPublisher tickets, Topology topology, IOptions<JobsOptions> options, CoordinationTelemetry telemetry, BrokerTelemetry broker, Pulses pulses,
    TimeProvider time, ILogger<Ingester> log) : BackgroundService
{
    private const int MaxBatch = 1000;

    /// <summary>Arguments a statement.</summary>
    private const int MaxBytes = 4 * 1024 * 1024;

    /// <summary>How long a message id is remembered.</summary>
    private static readonly TimeSpan Remembered = TimeSpan.FromDays(7);

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastWord = TimeSpan.FromSeconds(3);

    private readonly BrokerConnection _connection = new(options.Value, "submit", log, broker);
    private readonly List<Submission> _batch = [];
    private readonly List<(NewJob Row, Submission From)> _jobs = [];
    private readonly List<Garbage> _garbage = [];
    private readonly List<Ticket> _queued = [];
    private readonly Pulse _pulse = pulses.Add("ingester");
    private int _prefetch = SubmitPrefetch.Least;

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken); // the batch under way is written and acknowledged, unless the database is away
        await _connection.DisposeAsync();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Detached.Run(() => IngestAsync(stoppingToken));

    private async Task IngestAsync(CancellationToken stoppingToken)
    {
        var consumer = new SubmitConsumer(_connection, topology, _prefetch, time, log);
        var consuming = consumer.RunAsync(stoppingToken);
        var declaring = KeepDeclaredAsync(consumer, stoppingToken);
        for (var failures = 0; !stoppingToken.IsCancellationRequested;)
        {
            try
            {
                _pulse.Rest();
                await consumer.WaitAsync(stoppingToken);
                _pulse.Begin();
                await TakeAsync(consumer, stoppingToken);
                failures = 0;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break; // what is not acknowledged is delivered again
            }
            catch (Exception e)
            {
                log.ServiceFailed("Ingester", ++failures, e);
                consumer.Break("its messages were not taken"); // the broker delivers them again
                await Task.Delay(Transient.Delay(failures), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        _pulse.Rest();
        await consumer.CloseAsync();
        await Task.WhenAll(consuming, declaring).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>The consumer notices by itself that its queue is gone, but not its exchange.</summary>
    private async Task KeepDeclaredAsync(SubmitConsumer consumer, CancellationToken stop)
    {
        for (var failures = 0; !stop.IsCancellationRequested;)
        {
            await Task.Delay(LookEvery, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await consumer.DeclareAsync(stop);
                failures = 0;
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                log.ServiceRetries("Declaring the exchange for submitted jobs", ++failures, e.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task TakeAsync(SubmitConsumer consumer, CancellationToken stop)
    {
        _batch.Clear();
        long bytes = 0;
        while (_batch.Count < MaxBatch && bytes < MaxBytes && consumer.TryTake(out var next))
        {
            _batch.Add(next);
            bytes += next.Body.Length;
        }

        if (_batch.Count == 0)
        {
            return; // what was in the buffer belonged to a channel that is gone
        }

        _jobs.Clear();
        _garbage.Clear();
        _queued.Clear();
        foreach (var submission in _batch)
        {
            Check(submission);
        }

        // Not the other way round: once it is set aside nobody looks whether it has been written.
        await WriteAsync(_jobs, again: false, stop);
        await tickets.SendAsync([.. _queued], CancellationToken.None);
        var last = _batch[^1];
        await SetAsideAsync(consumer, last, stop);
        using var deadline = new CancellationTokenSource(LastWord, time);
        await consumer.AckThroughAsync(last, deadline.Token);
        if (SubmitPrefetch.After(_batch.Count, bytes, _prefetch) is var prefetch && prefetch != _prefetch)
        {
            _prefetch = prefetch;
            await consumer.ResizeAsync(prefetch, stop);
        }
    }

    private void Check(Submission submission)
    {
        try
        {
            var row = rows.Of(submission.JobType, submission.Body, submission.Options()) with { Origin = "amqp" };
            row = submission.Trace is { } trace ? row with { Ties = (row.Ties ?? new Ties()) with { Trace = trace } } : row;
            _jobs.Add((submission.MessageId is { } id ? row with { Ties = Named(row.Ties, id) } : row, submission));
        }
        catch (Exception e) when (e is ArgumentException or FormatException or JobTooLargeException)
        {
            _garbage.Add(submission.Refused(Plainly(e)));
        }
    }

    /// <summary>No job type has a slash, so no unique key looks like it.</summary>
    private static Ties Named(Ties? ties, string messageId) =>
        (ties ?? new Ties()) with { HeldKey = $"amqp/{messageId}", HeldSeconds = Remembered.TotalSeconds };

    /// <summary>E1, E2. Repeats for as long as the database is away or refuses for a reason that is not the messages' fault: nothing is lost meanwhile, and the prefetch bounds what is held.</summary>
    private async Task WriteAsync(IReadOnlyList<(NewJob Row, Submission From)> jobs, bool again, CancellationToken stop)
    {
        if (jobs.Count == 0)
        {
            return;
        }

        var fates = new Enqueued[jobs.Count];
        for (var n = 1; ; n++)
        {
            _pulse.Begin();
            try
            {
                await store.EnqueueAsync([.. jobs.Select(j => j.Row)], fates, again || n > 1, CancellationToken.None);
                break;
            }
            catch (Exception e) when (Transient.IsRefusedValue(e))
            {
                if (jobs.Count == 1)
                {
                    _garbage.Add(jobs[0].From.Refused($"Postgres refused it: {e.Message}"));
                    return;
                }

                // One that the database cannot store must not hold up the others.
                var half = jobs.Count / 2;
                await WriteAsync([.. jobs.Take(half)], again || n > 1, stop);
                await WriteAsync([.. jobs.Skip(half)], again || n > 1, stop);
                return;
            }
            catch (Exception e)
            {
                if (Transient.Is(e))
                {
                    log.ServiceRetries("Ingester", n, e.Message);
                }
                else
                {
                    log.ServiceFailed("Ingester", n, e);
                }

                await Task.Delay(Transient.Delay(n), time, stop);
            }
        }

        telemetry.Enqueued([.. jobs.Select(j => j.Row)], fates, "amqp");
        for (var i = 0; i < jobs.Count; i++)
        {
            if (fates[i].Fate == EnqueueFate.Queued)
            {
                var row = jobs[i].Row;
                _queued.Add(new Ticket(row.Id, 1, row.Queue, row.Priority, row.Type));
            }
        }
    }

    private async Task SetAsideAsync(SubmitConsumer consumer, Submission last, CancellationToken stop)
    {
        // Without the channel that they came by they are not acknowledged, and come again.
        for (var n = 1; _garbage.Count > 0 && consumer.IsCurrent(last); n++)
        {
            try
            {
                await consumer.SetAsideAsync(_garbage, CancellationToken.None);
                return;
            }
            catch (Exception e)
            {
                log.ServiceRetries("Setting aside what cannot become a job", n, e.Message);
                await Task.Delay(Transient.Delay(n), time, stop);
            }
        }
    }

    /// <summary>.NET appends the name of a parameter, which means nothing to a sender.</summary>
    private static string Plainly(Exception e)
    {
        var end = e.Message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return end < 0 ? e.Message : e.Message[..end];
    }
}
