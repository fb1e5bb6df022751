using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Microsoft.EntityFrameworkCore.Metadata.Conventions;
using Microsoft.EntityFrameworkCore.Metadata.Conventions.Infrastructure;

namespace Jobs.EntityFrameworkCore;

internal sealed class OutboxConventionPlugin(IDbContextOptions options) : IConventionSetPlugin
{
    public ConventionSet ModifyConventions(ConventionSet conventionSet)
    {
        // First, so that all others treat it like any entity; and only once the app's own model is complete, so that none of the app's loops over the model meets it.
        conventionSet.ModelFinalizingConventions.Insert(0, new OutboxConvention(options.FindExtension<OutboxExtension>()!.Schema));
        return conventionSet;
    }
}

/// <summary>
/// Maps a property bag to the view <c>jobs.outbox</c>, whose trigger enqueues what is inserted. For EF Core it is a table that belongs to somebody else's migrations: what is
/// mapped to a view cannot be saved. A bag and no class, because proxies and other plug-ins ask things of classes.
/// </summary>
internal sealed class OutboxConvention(string schema) : IModelFinalizingConvention
{
    public const string Entity = "Jobs.Outbox";

    private static readonly (string Name, Type Type, string Store)[] Columns =
    [
        ("id", typeof(Guid), "uuid"),
        ("type", typeof(string), "text"),
        ("args", typeof(string), "json"),
        ("queue", typeof(string), "text"),
        ("priority", typeof(int), "integer"),
        ("run_at", typeof(DateTimeOffset?), "timestamp with time zone"),
        ("delay_seconds", typeof(double?), "double precision"),
        ("unique_key", typeof(string), "text"),
        ("unique_until_started", typeof(bool?), "boolean"),
        ("expires_seconds", typeof(double?), "double precision"),
        ("timeout_seconds", typeof(double?), "double precision"),
        ("max_argument_bytes", typeof(int), "integer"),
        ("tags", typeof(string[]), "text[]"),
        ("meta", typeof(string), "json"),
        ("trace", typeof(string), "text"),
    ];

    public void ProcessModelFinalizing(IConventionModelBuilder modelBuilder, IConventionContext<IConventionModelBuilder> context)
    {
        var entity = ((IMutableModel)modelBuilder.Metadata).AddEntityType(Entity, typeof(Dictionary<string, object>));
        foreach (var (name, type, store) in Columns)
        {
            var column = entity.AddIndexerProperty(name, type);
            column.SetColumnName(name);
            column.SetColumnType(store);
            column.ValueGenerated = ValueGenerated.Never;
            column.IsNullable = Nullable.GetUnderlyingType(type) is not null || name is "unique_key" or "tags" or "meta" or "trace";
        }

        entity.SetPrimaryKey(entity.FindProperty("id"));
        entity.SetTableName("outbox");
        entity.SetSchema(schema);
        entity.SetIsTableExcludedFromMigrations(true);
    }
}
