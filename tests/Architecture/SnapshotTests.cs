using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Jobs.Tests.Architecture;

/// <summary>What others depend on, as reviewed texts: the public surface and the tables.</summary>
public sealed class SnapshotTests
{
    [Fact]
    public void Public_surface_is_the_reviewed_one() =>
        Snapshot.Check("PublicApi.txt", string.Join('\n', Repository.Rooms.Select(r => PublicApi.Of(Repository.Assembly(r)))));

    [Fact]
    public async Task Schema_is_the_reviewed_one()
    {
        var schema = "a" + Guid.NewGuid().ToString("N")[..12];
        var postgres = await Servers.CurrentPostgres;
        await using var database = NpgsqlDataSource.Create(postgres);
        try
        {
            await MigrateAsync(postgres, schema);
            using var query = new StreamReader(typeof(SnapshotTests).Assembly.GetManifestResourceStream("schema_dump.sql")!);
            await using var command = database.CreateCommand(await query.ReadToEndAsync());
            command.Parameters.Add(new NpgsqlParameter { Value = schema });
            await using var reader = await command.ExecuteReaderAsync();
            var lines = new List<string>();
            while (await reader.ReadAsync())
            {
                lines.Add(reader.GetString(0));
            }

            Snapshot.Check("schema.sql", "-- What the migrations make, read from the catalogs; the dated partitions are left out. Not a script to run.\n" + string.Join('\n', lines) + "\n");
        }
        finally
        {
            await using var drop = database.CreateCommand($"drop schema if exists {schema} cascade");
            await drop.ExecuteNonQueryAsync();
        }
    }

    [Fact]
    public void Difference_shows_what_went_and_what_came()
    {
        Assert.Equal("", Snapshot.Difference(["a", "b"], ["a", "b"]));
        Assert.Equal("- b\n+ x\n+ d", Snapshot.Difference(["a", "b", "c"], ["a", "x", "c", "d"]));
        Assert.Equal("- a", Snapshot.Difference(["a"], []));
    }

    private static async Task MigrateAsync(string postgres, string schema)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddJobs(o => (o.Postgres, o.RabbitMq, o.Schema) = (postgres, "amqp://not-needed", schema));
        var host = builder.Build();
        await host.Services.GetRequiredService<IJobOperator>().QueuesAsync();
        await ((IAsyncDisposable)host).DisposeAsync();
    }
}
