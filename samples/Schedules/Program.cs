using FileIndex;
using FileIndex.Demo;
using Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Schedules;

// One program in three roles. `demo` starts the other two as processes of their own, so that they can be killed.
return args switch
{
    ["work"] => await RunAsync(jobs => jobs.AddWorker(worker => worker.Queue(Tick.Queue, concurrency: 20).Handle<Tick, TickHandler>())),
    ["schedule"] => await RunAsync(jobs => jobs.AddScheduler()),
    ["demo", .. var rest] => await DemoCommand.RunAsync(rest),
    _ => await DemoCommand.RunAsync(["--help"]),
};

static async Task<int> RunAsync(Action<JobsBuilder> addRole)
{
    ChildProcess.EndWithParent();
    var builder = Host.CreateApplicationBuilder();
    addRole(builder.Services.AddJobs(options => (options.Postgres, options.RabbitMq, options.Schema, options.AppName) = (Servers.Postgres, Servers.RabbitMq, Servers.Schema, "Schedules")));
    using var host = builder.Build();
    await host.RunAsync(); // until SIGTERM
    return 0;
}
