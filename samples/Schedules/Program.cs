using FileIndex;
using FileIndex.Demo;
using Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Schedules;

// One program in three roles. `demo` starts the other two as processes of their own, so that they can be killed.
return args switch
{
    ["work", .. var rest] => await RunAsync(rest, jobs => jobs.AddWorker(worker => worker.Queue(Tick.Queue, concurrency: 20).Handle<Tick, TickHandler>())),
    ["schedule", .. var rest] => await RunAsync(rest, jobs => jobs.AddScheduler()),
    ["demo", .. var rest] => await DemoCommand.RunAsync(rest),
    _ => await DemoCommand.RunAsync(["--help"]),
};

static async Task<int> RunAsync(string[] rest, Action<JobsBuilder> addRole)
{
    if (rest is ["--endpoint", var text] && ushort.TryParse(text, out var port))
    {
        addRole += jobs => jobs.AddEndpoint(port); // /metrics, /health/live, /health/ready
    }
    else if (rest.Length > 0)
    {
        return await DemoCommand.RunAsync(["--help"]);
    }

    ChildProcess.EndWithParent();
    var builder = Host.CreateApplicationBuilder();
    addRole(builder.Services.AddJobs(options => (options.Postgres, options.RabbitMq, options.Schema, options.AppName) = (Servers.Postgres, Servers.RabbitMq, Servers.Schema, "Schedules")));
    using var host = builder.Build();
    await host.RunAsync(); // until SIGTERM
    return 0;
}
