using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Jobs.Cli;

/// <summary>Which installation a command talks to and how it answers: the options that all commands share.</summary>
internal sealed class Target
{
    /// <summary>Stands in where a command has no use for the broker, so that a look needs only Postgres.</summary>
    private const string NoBroker = "amqp://not.needed.invalid/";

    private readonly Option<string?> _postgres = Shared<string?>("--postgres", "CONNECTION", "Npgsql connection string [default: $JOBS_POSTGRES]");
    private readonly Option<string?> _rabbitMq = Shared<string?>("--rabbitmq", "URI", "AMQP URI [default: $JOBS_RABBITMQ]");
    private readonly Option<string?> _schema = Shared<string?>("--schema", "NAME", "the installation's name [default: $JOBS_SCHEMA, else jobs]");
    private readonly Option<bool> _json = Shared<bool>("--json", null, "answer with JSON and nothing else on stdout");
    private readonly Option<bool> _verbose = Shared<bool>("--verbose", null, "show where an error comes from, and what happens on the way");

    public void AddTo(RootCommand root)
    {
        foreach (var option in new Option[] { _postgres, _rabbitMq, _schema, _json, _verbose })
        {
            root.Options.Add(option);
        }
    }

    public Output Output(ParseResult parsed) => new(parsed.GetValue(_json));

    public bool Verbose(ParseResult parsed) => parsed.GetValue(_verbose);

    /// <summary>As given or as in the environment.</summary>
    public string Schema(ParseResult parsed) => parsed.GetValue(_schema) ?? Variable("JOBS_SCHEMA") ?? "jobs";

    /// <summary>What a suggested command must repeat to talk to the same installation, or nothing. Never a connection string: it may hold a password.</summary>
    public string SchemaArgument(ParseResult parsed) => parsed.GetValue(_schema) is { } schema ? $" --schema {schema}" : "";

    /// <exception cref="UsageException">A server that is needed is not named.</exception>
    public void Configure(ParseResult parsed, JobsOptions options, bool broker)
    {
        options.Postgres = parsed.GetValue(_postgres) ?? Variable("JOBS_POSTGRES")
            ?? throw new UsageException("No database is named; set JOBS_POSTGRES or give --postgres \"Host=localhost;Username=jobs;Password=...;Database=jobs\".");
        options.RabbitMq = parsed.GetValue(_rabbitMq) ?? Variable("JOBS_RABBITMQ") ?? (broker
            ? throw new UsageException("No broker is named; set JOBS_RABBITMQ or give --rabbitmq \"amqp://user:password@localhost:5672/\".") : NoBroker);
        options.Schema = Schema(parsed);
    }

    /// <summary>The platform without a host: no session, no services that run by themselves. Disposing it sends the tickets that are still on their way.</summary>
    public ServiceProvider Open(ParseResult parsed, bool broker = false, bool migrate = false)
    {
        var verbose = Verbose(parsed);
        var services = new ServiceCollection();
        services.AddJobs(options =>
        {
            Configure(parsed, options, broker);
            options.MigrateAtStart = migrate;
        });
        services.AddLogging(log => log.SetMinimumLevel(verbose ? LogLevel.Debug : LogLevel.Warning).AddProvider(new StandardErrorLog(verbose))
            .AddFilter("Jobs.RabbitMq", verbose ? LogLevel.Debug : LogLevel.Error)); // the command that needs the broker says itself that it is away
        return services.BuildServiceProvider();
    }

    private static Option<T> Shared<T>(string name, string? value, string description) => new(name) { Recursive = true, HelpName = value, Description = description };

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
