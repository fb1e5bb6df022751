using Jobs.Coordination;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata.Conventions.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Jobs.EntityFrameworkCore;

/// <summary>What <c>UseJobs</c> adds to the options of a context: the entity in its model, and for each context an outbox.</summary>
internal sealed class OutboxExtension(IJobClient client, Rows rows, string schema, int maxArgumentBytes, ILogger log) : IDbContextOptionsExtension
{
    public IJobClient Client { get; } = client;

    public Rows Rows { get; } = rows;

    public string Schema { get; } = schema;

    public int MaxArgumentBytes { get; } = maxArgumentBytes;

    public ILogger Log { get; } = log;

    public DbContextOptionsExtensionInfo Info => field ??= new ExtensionInfo(this);

    public void ApplyServices(IServiceCollection services)
    {
        services.AddScoped<Outbox>();
        services.AddScoped<IInterceptor>(p => p.GetRequiredService<Outbox>());
        services.AddScoped<IResettableService>(p => p.GetRequiredService<Outbox>());
        new EntityFrameworkServicesBuilder(services).TryAdd<IConventionSetPlugin, OutboxConventionPlugin>();
    }

    public void Validate(IDbContextOptions options)
    {
        // what can be wrong was found by UseJobs
    }

    /// <summary>The model depends on the schema, and nothing else does: contexts of one installation share their services and their model.</summary>
    private sealed class ExtensionInfo(OutboxExtension extension) : DbContextOptionsExtensionInfo(extension)
    {
        private new OutboxExtension Extension => (OutboxExtension)base.Extension;

        public override bool IsDatabaseProvider => false;

        public override string LogFragment => $"using jobs of {Extension.Schema} ";

        public override int GetServiceProviderHashCode() => StringComparer.Ordinal.GetHashCode(Extension.Schema);

        public override bool ShouldUseSameServiceProvider(DbContextOptionsExtensionInfo other) => other is ExtensionInfo info && info.Extension.Schema == Extension.Schema;

        public override void PopulateDebugInfo(IDictionary<string, string> debugInfo) => debugInfo["Jobs:Schema"] = Extension.Schema;
    }
}
