using Jobs.Postgres;
using Jobs.Producer;
using Jobs.Transactions;
using Jobs.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs;

/// <summary>Adds transactions that span services to a process.</summary>
public static class TransactionsBuilderExtensions
{
    private const int WatchSlots = 4;

    /// <summary>
    /// This process begins transactions (<see cref="ITransactions"/>), and whatever else <paramref name="configure"/> says. Its participants are run by the worker of the process (<c>AddWorker</c>), which takes
    /// on their queues with 20 slots each, and <c>transactions.watch</c> with 4, where it names no others.
    /// </summary>
    /// <exception cref="InvalidOperationException">Transactions were added already.</exception>
    public static JobsBuilder AddTransactions(this JobsBuilder builder, Action<TransactionsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        if (services.Any(s => s.ServiceType == typeof(TransactionsOptions)))
        {
            throw new InvalidOperationException("This process has transactions already; name all participants in one AddTransactions.");
        }

        var options = new TransactionsOptions(services);
        configure?.Invoke(options);
        services.AddSingleton(options);
        services.AddSingleton<TransactionTelemetry>();
        services.AddSingleton<TurnServices>();
        services.AddSingleton<Bus>();
        services.AddSingleton<Ends>();
        services.AddSingleton(p => new BranchFence(p.GetRequiredService<TransactionStore>()));
        services.AddSingleton<ITransactions, TransactionClient>();
        services.Insert(0, ServiceDescriptor.Singleton<IHostedService>(p => p.GetRequiredService<Bus>())); // started before the worker, and stopped after it
        services.AddSingleton(new WorkerAddition(worker =>
        {
            worker.Add(new WatchEntry(options.WatchEvery));
            foreach (var entry in options.Entries)
            {
                worker.Add(entry);
            }

            foreach (var queue in options.Queues.Where(q => !worker.Queues.ContainsKey(q)))
            {
                worker.Queue(queue);
            }

            if (!worker.Queues.ContainsKey(WatchJob.Queue))
            {
                worker.Queue(WatchJob.Queue, WatchSlots);
            }
        }));
        if (options.Entries.Count > 0)
        {
            services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<JobsOptions>, Validation>());
        }

        return builder;
    }

    /// <summary>Listed with the faults of the shared options, so that a start shows all there are.</summary>
    private sealed class Validation(IServiceProvider services) : IValidateOptions<JobsOptions>
    {
        public ValidateOptionsResult Validate(string? name, JobsOptions options) => services.GetService<WorkerOptions>() is not null ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail("TransactionsOptions: there are participants and no worker to run them; add AddWorker(w => { ... }) to this process.");
    }
}
