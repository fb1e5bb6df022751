using Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace FileIndex.Demo;

/// <summary>What one run has to itself: a schema in Postgres and, named after it, queues on the broker. Gone when it is disposed of.</summary>
internal sealed class Stage : IAsyncDisposable
{
    private readonly ServiceProvider _platform;
    private bool _isSet;

    private Stage(string schema)
    {
        Schema = schema;
        Database = ResultTable.Open(schema);
        var services = new ServiceCollection();
        services.AddJobs(options => (options.Postgres, options.RabbitMq, options.Schema) = (Servers.Postgres, Servers.RabbitMq, schema));
        _platform = services.BuildServiceProvider();
    }

    public string Schema { get; }

    public NpgsqlDataSource Database { get; }

    /// <summary>The platform's own view; no session, no hosted service: this process only looks.</summary>
    public IJobOperator Jobs => _platform.GetRequiredService<IJobOperator>();

    public static async Task<Stage> SetUpAsync(CancellationToken ct)
    {
        await using (await ConnectAsync(ct)) // so that a broker that is away is said now, not by silence later
        {
        }

        var stage = new Stage($"demo_{Random.Shared.Next():x8}");
        try
        {
            await using (await stage.Database.OpenConnectionAsync(ct)) // the same for Postgres, while there is nothing to clear
            {
            }

            stage._isSet = true;
            await stage.Jobs.QueuesAsync(ct); // the first look makes the platform's tables
            await ResultTable.CreateAsync(stage.Database, ct);
            return stage;
        }
        catch
        {
            await stage.DisposeAsync();
            throw;
        }
    }

    /// <summary>Says what could not be cleared instead of throwing: this also runs after a failure, which must not be hidden by a second one.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isSet)
        {
            await ClearAsync();
        }

        await _platform.DisposeAsync();
        await Database.DisposeAsync();
    }

    private async Task ClearAsync()
    {
        await TryAsync($"drop schema if exists {Schema} cascade", async () =>
        {
            await using var drop = Database.CreateCommand($"drop schema if exists {Schema} cascade");
            await drop.ExecuteNonQueryAsync();
        });
        foreach (var queue in new[] { $"{Schema}.files", $"{Schema}.malformed", $"{Schema}.submit" })
        {
            await TryAsync($"rabbitmqctl delete_queue {queue}", async () =>
            {
                await using var connection = await ConnectAsync(CancellationToken.None);
                await using var channel = await connection.CreateChannelAsync();
                await channel.QueueDeleteAsync(queue);
            });
        }

        await TryAsync($"rabbitmqadmin delete exchange --name {Schema}.submit", async () =>
        {
            await using var connection = await ConnectAsync(CancellationToken.None);
            await using var channel = await connection.CreateChannelAsync();
            await channel.ExchangeDeleteAsync($"{Schema}.submit");
        });
    }

    private static async Task<IConnection> ConnectAsync(CancellationToken ct)
    {
        try
        {
            return await new ConnectionFactory { Uri = new Uri(Servers.RabbitMq), ClientProvidedName = "FileIndex demo" }.CreateConnectionAsync(ct);
        }
        catch (Exception e) when (e is BrokerUnreachableException or UriFormatException or ArgumentException)
        {
            throw new DemoException($"RabbitMQ cannot be used ({e.GetBaseException().Message}). Start it with ./run up, or correct JOBS_RABBITMQ; it looks like amqp://user:password@localhost:5672/.");
        }
    }

    private static async Task TryAsync(string byHand, Func<Task> clear)
    {
        const int Tries = 3;
        for (var n = 1; ; n++)
        {
            try
            {
                await clear();
                return;
            }
            catch (Exception) when (n < Tries)
            {
                await Task.Delay(TimeSpan.FromSeconds(1)); // a backend of a killed process may still hold a lock
            }
            catch (Exception e)
            {
                Console.Error.WriteLine($"warning: the demo left something behind ({e.Message}); remove it by hand: {byHand}");
                return;
            }
        }
    }
}
