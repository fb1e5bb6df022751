using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Jobs.Tests.Engine;

/// <summary>The examples of docs/INTEROP.md, with clients that are not ours.</summary>
public sealed class OtherClientTests
{
    [Trait("Category", "Slow")]
    [PikaFact]
    public async Task Python_script_of_the_samples_enqueues_jobs_and_run_twice_it_enqueues_them_once()
    {
        await using var app = await TestApp.CreateAsync();
        await app.DeclareSubmitAsync();
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done, more: w =>
        {
            w.HandleOutcome<Welcome, WelcomeHandler>();
            w.Queue("mail", 2);
        });
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal((0, ""), await PythonAsync(Script(), app.Servers.RabbitMq, app.QueueName("submit")));
        }

        await app.AllEndedAsync(3);
        Assert.Equal(["ann@example.org", "bob@example.org", "eve@example.org"], app.Runs.Select(r => r.Job.Text).Order(StringComparer.Ordinal));
        Assert.All(await app.Operator.ListAsync(new()), j => Assert.Equal(("mail.welcome", "mail", 20, JobState.Succeeded), (j.Type, j.Queue, (int)j.Priority, j.State)));
        await app.WaitForTicketsAsync("submit", 0);
        Assert.Equal(0u, await app.DepthAsync("malformed"));
    }

    [PikaFact]
    public async Task Python_script_fails_where_its_message_leads_nowhere()
    {
        await using var app = await TestApp.CreateAsync();
        var (code, error) = await PythonAsync(Script(), app.Servers.RabbitMq, app.QueueName("submit"));
        Assert.Equal(1, code);
        Assert.Contains("no exchange", error, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Publish_form_of_the_management_pages_enqueues_a_job()
    {
        await using var app = await TestApp.CreateAsync();
        if (app.Servers.Management is null)
        {
            return; // external servers may have no management plugin
        }

        await app.DeclareSubmitAsync();
        await app.SchedulerAsync();
        await app.WorkerAsync(Runs.Done);
        using var management = new Management(app);
        var properties = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["delivery_mode"] = 2, ["priority"] = 29, ["message_id"] = "by hand", ["headers"] = new Dictionary<string, string>(StringComparer.Ordinal) { ["x-jobs-delay"] = "0.2" },
        };
        Assert.True(await management.PublishAsync(app.QueueName("submit"), "test.work", properties, """{"number": 8}"""));
        Assert.True(await management.PublishAsync(app.QueueName("submit"), "test.work", properties, """{"number": 9}"""));
        await app.WaitForTicketsAsync("submit", 0);
        await app.AllEndedAsync(1);
        Assert.Equal(8, Assert.Single(app.Runs).Job.Number);
        Assert.Equal(29, (int)Assert.Single(await app.Operator.ListAsync(new())).Priority);
    }

    private static string Script([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(here, "../../../samples/python/enqueue.py"));

    private static async Task<(int Code, string Error)> PythonAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(PikaFactAttribute.Python, arguments) { RedirectStandardError = true, UseShellExecute = false })!;
        var error = await process.StandardError.ReadToEndAsync().InTimeAsync();
        await process.WaitForExitAsync().InTimeAsync();
        return (process.ExitCode, error);
    }

    [Job("mail.welcome", Queue = "mail")]
    private sealed record Welcome(string To);

    private sealed class WelcomeHandler(Run run) : IJobOutcomeHandler<Welcome>
    {
        public Task<JobOutcome> HandleAsync(Welcome job, JobContext context, CancellationToken ct) => run(new Work(Text: job.To), context, ct);
    }
}

/// <summary>
/// Needs Debian's python3-pika. <c>./run test</c> installs it where it can; only a machine that has neither it nor Debian's packages goes without the test.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class PikaFactAttribute : FactAttribute
{
    public const string Python = "/usr/bin/python3";

    public PikaFactAttribute()
    {
        if (!File.Exists("/usr/bin/apt-get") && !Directory.Exists("/usr/lib/python3/dist-packages/pika"))
        {
            Skip = "This is no Debian machine, so it has no python3-pika to be the client that is not .NET.";
        }
    }
}
