using Testcontainers.PostgreSql;
using Testcontainers.RabbitMq;

namespace Jobs.Tests;

/// <summary>
/// The real servers that the tests run on: those of the environment (<c>./run test</c> names them), else containers that are started once and go away with the process.
/// Tests run side by side on them, each in a schema of its own.
/// </summary>
internal sealed record Servers(string Postgres, string RabbitMq, string? Management)
{
    private const string PostgresImage = "postgres:18";
    private const string RabbitMqImage = "rabbitmq:4.4-management";
    private const ushort ManagementPort = 15672;
    private static readonly Lazy<Task<string>> PostgresFound = new(FindPostgresAsync);
    private static readonly Lazy<Task<Servers>> Found = new(FindAsync);

    public static Task<Servers> Current => Found.Value;

    /// <summary>For tests that need no broker.</summary>
    public static Task<string> CurrentPostgres => PostgresFound.Value;

    private static async Task<string> FindPostgresAsync()
    {
        if (Environment.GetEnvironmentVariable("JOBS_POSTGRES") is { Length: > 0 } named)
        {
            return named;
        }

        var container = new PostgreSqlBuilder(PostgresImage).WithCommand("-c", "max_prepared_transactions=100", "-c", "max_connections=200").Build();
        await container.StartAsync();
        return container.GetConnectionString();
    }

    private static async Task<Servers> FindAsync()
    {
        var postgres = CurrentPostgres;
        if (Environment.GetEnvironmentVariable("JOBS_RABBITMQ") is { Length: > 0 } named)
        {
            var management = Environment.GetEnvironmentVariable("JOBS_RABBITMQ_MANAGEMENT");
            return new Servers(await postgres, named, string.IsNullOrEmpty(management) ? null : management);
        }

        var container = new RabbitMqBuilder(RabbitMqImage).WithPortBinding(ManagementPort, assignRandomHostPort: true).Build();
        await container.StartAsync();
        return new Servers(await postgres, container.GetConnectionString(), $"http://{container.Hostname}:{container.GetMappedPublicPort(ManagementPort)}");
    }
}
