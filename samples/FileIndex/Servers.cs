namespace FileIndex;

/// <summary>Where the servers are: as the environment says.</summary>
internal static class Servers
{
    public static string Postgres => Get("JOBS_POSTGRES");

    public static string RabbitMq => Get("JOBS_RABBITMQ");

    /// <summary>The name of the installation. The demo makes a new one for every run, so that runs never mix.</summary>
    public static string Schema => Get("JOBS_SCHEMA");

    private static string Get(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value
        : throw new InvalidOperationException($"{name} is not set; start the demo with ./run demo, which sets it.");
}
