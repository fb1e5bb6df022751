using FileIndex;
using FileIndex.Demo;
using Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// One program in four roles. `demo` starts the other three as processes of their own, so that one can be killed.
return args switch
{
    ["produce", var folder] => await ProduceAsync(folder),
    ["work", .. var rest] => await RunAsync(rest, jobs => jobs.AddWorker(worker => worker
        .Queue("files", concurrency: 8)
        .HandleOutcome<IndexFile, IndexFileHandler>(new RetryPolicy(maxAttempts: 3, delay: _ => TimeSpan.FromSeconds(1))))),
    ["schedule", .. var rest] => await RunAsync(rest, jobs => jobs.AddScheduler()),
    ["demo", .. var rest] => await DemoCommand.RunAsync(rest),
    _ => DemoCommand.WrongUsage(args),
};

static async Task<int> RunAsync(string[] rest, Action<JobsBuilder> addRole)
{
    if (rest is ["--endpoint", var text] && ushort.TryParse(text, out var port))
    {
        addRole += jobs => jobs.AddEndpoint(port); // /metrics, /health/live, /health/ready
    }
    else if (rest.Length > 0)
    {
        return DemoCommand.WrongUsage(rest);
    }

    using var host = Build(addRole);
    await host.RunAsync(); // until SIGTERM
    return 0;
}

static async Task<int> ProduceAsync(string folder)
{
    using var host = Build(_ => { });
    await host.StartAsync();

    // The walk is streamed: a folder of any size is enqueued in bounded memory, and workers are busy long before its end.
    var jobs = host.Services.GetRequiredService<IJobClient>();
    var enqueued = await jobs.EnqueueManyAsync(
        Folder.Files(folder).Select(path => new IndexFile(path)),
        job => new() { Priority = Folder.IsSmall(job.Path) ? JobPriority.High : JobPriority.Normal });

    await host.StopAsync();
    Console.WriteLine(enqueued);
    return 0;
}

static IHost Build(Action<JobsBuilder> addRole)
{
    ChildProcess.EndWithParent();
    var builder = Host.CreateApplicationBuilder();
    var jobs = builder.Services.AddJobs(options =>
    {
        options.Postgres = Servers.Postgres;
        options.RabbitMq = Servers.RabbitMq;
        options.Schema = Servers.Schema;
        options.AppName = "FileIndex";
    });
    addRole(jobs);
    builder.Services.AddSingleton<ResultTable>();
    return builder.Build();
}
