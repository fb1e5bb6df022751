using Jobs;
using Jobs.Tests.FaultHost;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

// FaultHost worker|scheduler|producer|service|beginner --Log=FILE ...: one process of an installation. Servers, schema and time to live come from the environment (Jobs__Schema).
DieWithParent();
var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { Args = args[1..] });
builder.Configuration.AddEnvironmentVariables();
var options = FaultOptions.From(args[0], builder.Configuration);
builder.Logging.AddProvider(new FileLogProvider(options.Log)).SetMinimumLevel(LogLevel.Information);
builder.Services.AddSingleton(options);
var jobs = builder.Services.AddJobs(o => o.AppName = options.Name);
switch (options.Role)
{
    case "worker":
        builder.Services.AddSingleton(new LineFile(options.Runs)).AddSingleton<ProbeTables>();
        jobs.AddWorker(w =>
        {
            w.ShutdownGrace = options.Grace;
            w.Handle<Work, WorkHandler>();
            w.Handle<Poison, PoisonHandler>();
            w.Handle<Chatty, ChattyHandler>();
            w.Handle<Probe, ProbeHandler>();
            foreach (var queue in options.Queues)
            {
                w.Queue(queue, options.Concurrency);
            }
        });
        break;
    case "scheduler":
        jobs.AddScheduler();
        break;
    case "producer":
        builder.Services.AddHostedService<ProducerRole>();
        break;
    case "service":
        ServiceRole.Add(jobs, options);
        break;
    case "beginner":
        jobs.AddTransactions();
        builder.Services.AddHostedService<BeginnerRole>();
        break;
    default:
        throw new ArgumentException($"No role {options.Role}; use worker, scheduler, producer, service or beginner.");
}

await builder.Build().RunAsync();
return 0;

// The test run holds the other end of standard input: when it is gone, however it went, so are we.
static void DieWithParent() => _ = Task.Factory.StartNew(
    () =>
    {
        using var input = Console.OpenStandardInput();
        while (input.ReadByte() >= 0)
        {
        }

        Death.Now();
    }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
