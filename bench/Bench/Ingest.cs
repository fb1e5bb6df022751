using System.Diagnostics;
using System.Text.Json;
using Jobs.Bench.Ours;
using Npgsql;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Spectre.Console;

namespace Jobs.Bench;

/// <summary>How fast jobs come in without the client: by the SQL function and over AMQP, until their rows are committed. A scheduler runs in this process and dispatches them.</summary>
internal sealed class Ingest(BenchOptions options, StepLog steps, CancellationToken stop)
{
    private const int Callers = 16;
    private const int Statement = 1000;
    private const ulong Window = 8192;
    private static readonly byte[] Arguments = JsonSerializer.SerializeToUtf8Bytes(new { text = Load.Text });
    private static readonly string[] Ways = ["sql_bulk", "sql_single", "amqp", "amqp_without_id"];

    private int Jobs => options.Quick ? 10_000 : 60_000;

    public async Task<Dictionary<string, double>> RunAsync()
    {
        var rates = Ways.ToDictionary(w => w, _ => new List<double>());
        for (var round = 1; round <= options.Rounds; round++)
        {
            foreach (var way in Ways)
            {
                var schema = $"{Rounds.Name}_i{round}_{Array.IndexOf(Ways, way)}";
                try
                {
                    await using var run = await new OursSubject(schema).StartAsync(null);
                    await EnqueueAsync(way, schema, Jobs / 10);
                    await Servers.SettleAsync(schema);
                    rates[way].Add(await EnqueueAsync(way, schema, Jobs));
                    steps.Say($"round {round} of {options.Rounds}  {way,-16} {rates[way][^1],8:N0} jobs/s");
                }
                finally
                {
                    await Servers.RemoveAsync(schema);
                }
            }
        }

        return rates.ToDictionary(r => r.Key, r => Statistics.Median(r.Value));
    }

    public static void Write(Dictionary<string, double> rates)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("Jobs that come in without the client, until they are committed");
        table.AddColumn("").AddColumn(new TableColumn("jobs/s").RightAligned());
        table.AddRow($"SQL: jobs.enqueue, {Statement:N0} in a statement", $"{rates["sql_bulk"]:N0}");
        table.AddRow($"SQL: jobs.enqueue, one in a transaction, {Callers} callers", $"{rates["sql_single"]:N0}");
        table.AddRow("AMQP, each with a message id", $"{rates["amqp"]:N0}");
        table.AddRow("AMQP, without one", $"{rates["amqp_without_id"]:N0}");
        AnsiConsole.Write(table);
    }

    /// <returns>Jobs a second.</returns>
    private Task<double> EnqueueAsync(string way, string schema, int jobs) => way switch
    {
        "sql_bulk" => SqlAsync(schema, jobs / Statement, Statement, 1),
        "sql_single" => SqlAsync(schema, jobs / 4, 1, Callers), // slower: fewer of them tell as much
        _ => AmqpAsync(schema, jobs, withId: way == "amqp"),
    };

    private async Task<double> SqlAsync(string schema, int statements, int each, int callers)
    {
        var left = statements;
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            await using var connection = await Servers.OpenAsync();
            await using var command = new NpgsqlCommand(Sql.Read("enqueue_by_function", schema), connection);
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = each });
            await command.PrepareAsync(stop);
            while (Interlocked.Decrement(ref left) >= 0)
            {
                await command.ExecuteNonQueryAsync(stop);
            }
        })));
        return statements * each / clock.Elapsed.TotalSeconds;
    }

    private async Task<double> AmqpAsync(string schema, int jobs, bool withId)
    {
        await using var database = await Servers.OpenAsync();
        var before = await Servers.ValueAsync<long>(database, Sql.Read("count_live", schema));
        await using var connection = await Servers.ConnectAsync();
        await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false), stop);
        await ExchangeIsThereAsync(connection, $"{schema}.submit");
        ulong confirmed = 0;
        channel.BasicAcksAsync += (_, e) =>
        {
            Volatile.Write(ref confirmed, e.Multiple ? Math.Max(confirmed, e.DeliveryTag) : confirmed + 1);
            return Task.CompletedTask;
        };
        var clock = Stopwatch.StartNew();
        for (ulong n = 0; n < (ulong)jobs; n++)
        {
            while (n - Volatile.Read(ref confirmed) >= Window)
            {
                await Task.Delay(1, stop);
            }

            var properties = new BasicProperties { DeliveryMode = DeliveryModes.Persistent, MessageId = withId ? Guid.NewGuid().ToString() : null };
            await channel.BasicPublishAsync($"{schema}.submit", "bench.noop", mandatory: true, properties, Arguments, stop);
        }

        while (await Servers.ValueAsync<long>(database, Sql.Read("count_live", schema)) < before + jobs)
        {
            await Task.Delay(5, stop);
        }

        return jobs / clock.Elapsed.TotalSeconds;
    }

    /// <summary>The scheduler makes it right after its start.</summary>
    private async Task ExchangeIsThereAsync(IConnection connection, string exchange)
    {
        while (true)
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: stop);
            try
            {
                await channel.ExchangeDeclarePassiveAsync(exchange, stop);
                return;
            }
            catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
            {
                await Task.Delay(50, stop);
            }
        }
    }
}
