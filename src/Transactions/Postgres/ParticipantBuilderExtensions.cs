using Jobs.Coordination;
using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs;

/// <summary>Adds databases that can take part in transactions to a process.</summary>
public static class ParticipantBuilderExtensions
{
    /// <summary>
    /// This process takes part in transactions with this database: <see cref="PostgresParticipant{TBranch}"/>s ask for it by its name, and a sweep beside them ends what is prepared there and nobody ends.
    /// All processes must connect as the same user: Postgres lets only that one end what it prepared.
    /// </summary>
    /// <param name="builder">What <c>AddJobs</c> returned.</param>
    /// <param name="name">How participants ask for it: <c>[FromKeyedServices("NAME")] ParticipantDatabase</c>.</param>
    /// <param name="connectionString">For Npgsql.</param>
    /// <param name="configure">Sets options.</param>
    /// <exception cref="ArgumentException">The connection string is none, the name is not allowed or taken, or an option has a value that is not allowed; the latter when the host starts.</exception>
    public static JobsBuilder AddParticipantDatabase(this JobsBuilder builder, string name, string connectionString, Action<ParticipantDatabaseOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        NameRule.Check(name, "name of a participant database");
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { Enlist = false }; // the transaction that is prepared is the verbs' own
        if (builder.Services.Any(s => s.ServiceType == typeof(ParticipantDatabase) && name.Equals(s.ServiceKey)))
        {
            throw new ArgumentException($"There is a participant database \"{name}\" already; give each a name of its own.", nameof(name));
        }

        var services = builder.Services;
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ParticipantTelemetry>();
        services.TryAddSingleton<IDecisions, Decisions>();
        services.AddKeyedSingleton(name, (provider, _) =>
        {
            var options = new ParticipantDatabaseOptions();
            configure?.Invoke(options);
            return new ParticipantDatabase(name, NpgsqlDataSource.Create(settings), options, provider.GetRequiredService<IDecisions>(),
                provider.GetRequiredService<ILogger<ParticipantDatabase>>());
        });
        services.AddSingleton<IHostedService>(provider => ActivatorUtilities.CreateInstance<PreparedReaper>(provider, provider.GetRequiredKeyedService<ParticipantDatabase>(name)));
        return builder;
    }
}
