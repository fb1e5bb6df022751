using System.Diagnostics;
using System.Text.Json;
using Jobs.Tests.Engine;

namespace Jobs.Tests.Cli;

/// <summary>What one run of the command left behind.</summary>
internal sealed record Answer(int Exit, string Out, string Error)
{
    /// <summary>Its stdout, which has to be JSON and nothing else.</summary>
    public JsonElement Json
    {
        get
        {
            using var document = JsonDocument.Parse(Out);
            return document.RootElement.Clone();
        }
    }

    /// <summary>The names in a JSON object, in their order: what a program may rely on.</summary>
    public static IEnumerable<string> Names(JsonElement json) => json.EnumerateObject().Select(p => p.Name);
}

/// <summary>Runs the real command against an installation.</summary>
internal static class JobsCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static Task<Answer> RunAsync(this TestApp app, params string[] arguments) => RunAsync(app, broker: true, arguments);

    /// <summary>With a broker that is not there, as far as the command can tell.</summary>
    public static Task<Answer> RunWithoutBrokerAsync(this TestApp app, params string[] arguments) => RunAsync(app, broker: false, arguments);

    /// <summary>As <see cref="RunAsync(TestApp, string[])"/>; it has to succeed, and to say nothing on stderr.</summary>
    public static async Task<JsonElement> JsonAsync(this TestApp app, params string[] arguments)
    {
        var answer = await app.RunAsync([.. arguments, "--json"]);
        Assert.Equal((0, ""), (answer.Exit, answer.Error));
        return answer.Json;
    }

    /// <summary>Refused before anything was written: exit code 2, one line on stderr that holds this, and the same as JSON.</summary>
    public static async Task RefusedAsync(this TestApp app, string text, params string[] arguments)
    {
        var answer = await app.RunAsync([.. arguments, "--json"]);
        Assert.Equal(2, answer.Exit);
        Assert.StartsWith("error: ", answer.Error, StringComparison.Ordinal);
        Assert.Contains(text, answer.Error, StringComparison.Ordinal);
        Assert.Equal(answer.Error, $"error: {answer.Json.GetProperty("error").GetString()}\n");
    }

    private static async Task<Answer> RunAsync(TestApp app, bool broker, string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [Path.Combine(AppContext.BaseDirectory, "jobs.dll"), .. arguments])
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["JOBS_POSTGRES"] = app.Servers.Postgres;
        start.Environment["JOBS_RABBITMQ"] = broker ? app.Servers.RabbitMq : "amqp://127.0.0.1:1/";
        start.Environment["JOBS_SCHEMA"] = app.Schema;
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(Patience);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
            return new Answer(process.ExitCode, (await output).ReplaceLineEndings("\n"), (await error).ReplaceLineEndings("\n"));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
