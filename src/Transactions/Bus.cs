using Jobs.Postgres;
using MassTransit;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Jobs.Transactions;

/// <summary>
/// This process's own MassTransit bus, apart from any that the app has: answers go to the coordinators' queue by it, and where a coordinator runs, they are taken from there. A broker that is away does not stop
/// the start of the process.
/// </summary>
internal sealed class Bus : IHostedService, IDisposable
{
    /// <summary>A queue of jobs cannot have this name, because it begins with an underscore.</summary>
    public const string Queue = "_coordinator";

    private const int DeliveryLimit = 20;
    private static readonly TimeSpan SendDeadline = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IBusControl _bus;
    private readonly Uri _to;
    private readonly ILogger<Bus> _log;
    private readonly TimeProvider _time;

    public Bus(IOptions<JobsOptions> options, TransactionsOptions transactions, IServiceProvider services, ILoggerFactory logs, TimeProvider time)
    {
        var jobs = options.Value;
        (_log, _time) = (logs.CreateLogger<Bus>(), time);
        _to = new Uri($"exchange:{jobs.Schema}.{Queue}");
        LogContext.ConfigureCurrentLogContext(logs);
        _bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(bus =>
        {
            Connect(bus, new Uri(jobs.RabbitMq), $"{jobs.AppName} transactions");
            bus.AutoStart = false;
            if (transactions.Coordinators > 0)
            {
                bus.ReceiveEndpoint($"{jobs.Schema}.{Queue}", endpoint => Coordinate(endpoint, transactions.Coordinators, services));
            }
        });
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _ = Detached.Run(KeepStartingAsync);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        if (_started.Task.IsCompletedSuccessfully)
        {
            await _bus.StopAsync(cancellationToken);
        }
    }

    public void Dispose() => _stop.Dispose();

    /// <summary>Returns when the broker has confirmed that a coordinators' queue has it.</summary>
    /// <exception cref="TimeoutException">It did not within 10 s.</exception>
    /// <exception cref="JobsException">No coordinator has ever run, so there is no queue.</exception>
    public async Task SendAsync<T>(T message, CancellationToken ct)
        where T : class
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(SendDeadline);
        try
        {
            await _started.Task.WaitAsync(deadline.Token);
            var endpoint = await _bus.GetSendEndpoint(_to).WaitAsync(deadline.Token);
            await endpoint.Send(message, Pipe.Execute<SendContext<T>>(c => c.GetPayload<RabbitMqSendContext>().Mandatory = true), deadline.Token).WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new TimeoutException($"RabbitMQ has not confirmed a message to the coordinators within {SendDeadline.TotalSeconds} s.", e);
        }
        catch (MessageReturnedException e)
        {
            throw new JobsException("There is no queue of coordinators yet; run a process with AddTransactions(t => t.Coordinator()).", e);
        }
    }

    private async Task KeepStartingAsync()
    {
        for (var n = 1; !_stop.IsCancellationRequested; n++)
        {
            try
            {
                await _bus.StartAsync(_stop.Token);
                _started.TrySetResult();
                return;
            }
            catch (Exception e) when (!_stop.IsCancellationRequested)
            {
                _log.BusNotStarted(e.Message);
                await Task.Delay(Transient.Delay(n), _time, CancellationToken.None);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private static void Connect(IRabbitMqBusFactoryConfigurator bus, Uri uri, string name)
    {
        var secure = uri.Scheme == "amqps";
        var vhost = uri.AbsolutePath.Length > 1 ? Uri.UnescapeDataString(uri.AbsolutePath[1..]) : "/";
        var user = uri.UserInfo.Split(':', 2);
        bus.Host(uri.Host, (ushort)(uri.Port > 0 ? uri.Port : secure ? 5671 : 5672), vhost, name, host =>
        {
            if (user[0].Length > 0)
            {
                host.Username(Uri.UnescapeDataString(user[0]));
                host.Password(user.Length > 1 ? Uri.UnescapeDataString(user[1]) : "");
            }

            if (secure)
            {
                host.UseSsl(ssl => ssl.ServerName = uri.Host);
            }
        });
    }

    private static void Coordinate(IRabbitMqReceiveEndpointConfigurator endpoint, int concurrency, IServiceProvider services)
    {
        endpoint.ConfigureConsumeTopology = false; // messages are sent to this queue, and to nobody's types
        endpoint.SetQuorumQueue();
        endpoint.SetQueueArgument("x-delivery-limit", DeliveryLimit); // a message that fails so often is dropped; the watch makes up for it
        endpoint.PrefetchCount = concurrency * 2;
        endpoint.ConcurrentMessageLimit = concurrency;
        endpoint.DiscardSkippedMessages();
        endpoint.RethrowFaultedMessages(); // back into the queue, not aside: an outage of Postgres is no reason to lose an answer
        endpoint.UseMessageRetry(retry => retry.Exponential(6, TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(100)));
        endpoint.StateMachineSaga(new Coordinator(), new TransactionRepository((TurnServices)services.GetService(typeof(TurnServices))!));
    }
}
