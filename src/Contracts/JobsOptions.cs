using System.Text.Json;

namespace Jobs;

/// <summary>
/// What every process of one installation shares: the two servers and the names in them. Bound from the configuration section <c>Jobs</c>, then from code,
/// and validated at start with all faults listed at once.
/// </summary>
public sealed class JobsOptions
{
    /// <summary>The largest argument JSON that an installation can be set to accept: 1 MB.</summary>
    public const int HardMaxArgumentBytes = 1024 * 1024;

    /// <summary>Npgsql connection string. Required. Configuration key <c>Jobs:Postgres</c>.</summary>
    public string Postgres { get; set; } = "";

    /// <summary>AMQP URI, <c>amqp://user:password@host:port/vhost</c>. Required. RabbitMQ 4.3 or newer. Configuration key <c>Jobs:RabbitMq</c>.</summary>
    public string RabbitMq { get; set; } = "";

    /// <summary>
    /// The name of the installation: its Postgres schema, and the prefix of its RabbitMQ queues. Default <c>jobs</c>. 1 to 30 of <c>a-z 0-9 _</c>, starting with a letter.
    /// Configuration key <c>Jobs:Schema</c>.
    /// </summary>
    public string Schema { get; set; } = "jobs";

    /// <summary>Shown in connection names and in <c>jobs workers</c>. Default: the name of the running program. Configuration key <c>Jobs:AppName</c>.</summary>
    public string AppName { get; set; } = AppDomain.CurrentDomain.FriendlyName;

    /// <summary>The largest arguments or result of a job, in bytes of JSON. Default 262,144; 1 to 1,048,576. Configuration key <c>Jobs:MaxArgumentBytes</c>.</summary>
    public int MaxArgumentBytes { get; set; } = 256 * 1024;

    /// <summary>Bring the schema up to date when a process starts. Default true. Set it to false where only <c>jobs migrate</c> may. Key <c>Jobs:MigrateAtStart</c>.</summary>
    public bool MigrateAtStart { get; set; } = true;

    /// <summary>
    /// Hold an advisory lock for each process, so that a killed one is noticed in about two seconds instead of after the session's time to live.
    /// Default true. Set it to false behind a pooler in transaction mode. Configuration key <c>Jobs:AdvisoryLocks</c>.
    /// </summary>
    public bool AdvisoryLocks { get; set; } = true;

    /// <summary>
    /// A process that has not been heard of for this long is dead and its jobs are run again. Default 15 s; 5 s to 10 minutes.
    /// Heartbeats are sent every seventh of it. The same value everywhere. Configuration key <c>Jobs:SessionTtlSeconds</c>.
    /// </summary>
    public TimeSpan SessionTtl { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How arguments and results are written and read. Add source-generated contexts to its <c>TypeInfoResolverChain</c>. Default: the web defaults.</summary>
    public JsonSerializerOptions Json { get; set; } = new(JsonSerializerDefaults.Web);

    /// <summary>Every fault, as one sentence each that names the value and the remedy.</summary>
    internal IEnumerable<string> Faults()
    {
        if (string.IsNullOrWhiteSpace(Postgres))
        {
            yield return "Postgres is empty; set it to an Npgsql connection string, for example \"Host=localhost;Username=jobs;Password=...;Database=jobs\" (configuration key Jobs:Postgres).";
        }

        if (string.IsNullOrWhiteSpace(RabbitMq))
        {
            yield return "RabbitMq is empty; set it to an AMQP URI, for example \"amqp://user:password@localhost:5672/\" (configuration key Jobs:RabbitMq).";
        }
        else if (!Uri.TryCreate(RabbitMq, UriKind.Absolute, out var uri) || uri.Scheme is not ("amqp" or "amqps"))
        {
            yield return "RabbitMq is not an AMQP URI; it looks like \"amqp://user:password@localhost:5672/\" (the value is not repeated here: it may hold a password).";
        }

        if (Schema is not { Length: >= 1 and <= 30 } || !char.IsAsciiLetterLower(Schema[0]) || Schema.Any(c => !char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '_'))
        {
            yield return $"Schema \"{Schema}\" is not allowed; use 1 to 30 of a-z, 0-9 and _, starting with a letter.";
        }

        if (MaxArgumentBytes is < 1 or > HardMaxArgumentBytes)
        {
            yield return $"MaxArgumentBytes {MaxArgumentBytes} is not allowed; use 1 to {HardMaxArgumentBytes} (default 262144).";
        }

        if (SessionTtl < TimeSpan.FromSeconds(5) || SessionTtl > TimeSpan.FromMinutes(10))
        {
            yield return $"SessionTtl {SessionTtl} is not allowed; use 5 s to 10 minutes (default 15 s).";
        }

        if (string.IsNullOrWhiteSpace(AppName))
        {
            yield return "AppName is empty; leave it out to use the program's name.";
        }
    }
}
