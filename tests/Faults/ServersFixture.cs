using Xunit.Sdk;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Jobs.Tests.Faults;

/// <summary>Finds the servers once for all tests, and says at the end what the whole run has seen.</summary>
public sealed class ServersFixture(IMessageSink sink) : IAsyncLifetime
{
    internal Servers Servers { get; private set; } = null!;

    /// <summary>Logs stay until the next run: a test that fails is read there.</summary>
    internal static string Logs { get; } = Path.Combine(AppContext.BaseDirectory, "logs");

    public async Task InitializeAsync()
    {
        if (Directory.Exists(Logs))
        {
            Directory.Delete(Logs, recursive: true);
        }

        Servers = await Servers.FindAsync();
    }

    public async Task DisposeAsync()
    {
        sink.OnMessage(new DiagnosticMessage(Tally.Summary));
        await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Logs).FullName, "summary.txt"), Tally.Summary + "\n");
        await Servers.DisposeAsync();
    }
}

[CollectionDefinition(Name)]
public sealed class ServersCollection : ICollectionFixture<ServersFixture>
{
    public const string Name = "servers";
}

/// <summary>A test that kills servers: skipped where they are somebody else's.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KillsServersFactAttribute : FactAttribute
{
    public KillsServersFactAttribute() => Skip = Servers.Untouchable;
}

/// <summary>A test that sends SIGSTOP or SIGTERM: skipped on Windows, which has neither.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SignalsFactAttribute : FactAttribute
{
    public SignalsFactAttribute() => Skip = OperatingSystem.IsWindows() ? "Windows has no SIGSTOP and no SIGTERM." : null;
}
