using FileIndex;
using FileIndex.Demo;
using Jobs;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Bank.Demo;

/// <summary>What one run has to itself: a schema, two databases named after it, queues named after it, and a folder for the ledger and for what the processes say. Gone when it is disposed of.</summary>
internal sealed class Stage : IAsyncDisposable
{
    private static readonly string[] Queues = ["bank-a", "bank-b", "ledger", "trips", "transactions", "transactions.watch", "malformed", "submit", "_coordinator"];
    private static readonly string[] Exchanges = ["submit", "_coordinator"];

    private readonly ServiceProvider _platform;
    private readonly Dictionary<string, NpgsqlDataSource> _banks = [];
    private bool _isSet;

    private Stage(string schema)
    {
        Schema = schema;
        Environment.SetEnvironmentVariable("JOBS_SCHEMA", schema);
        Database = TripDatabase.Open();
        foreach (var bank in BankDatabase.Names)
        {
            _banks[bank] = NpgsqlDataSource.Create(BankDatabase.Connection(BankDatabase.NameOf(bank)));
        }

        var services = new ServiceCollection();
        services.AddJobs(options => (options.Postgres, options.RabbitMq, options.Schema) = (Servers.Postgres, Servers.RabbitMq, schema));
        _platform = services.BuildServiceProvider();
        Folder = Directory.CreateTempSubdirectory("jobs-bank-").FullName;
    }

    public string Schema { get; }

    public string Folder { get; }

    public string LedgerPath => Path.Combine(Folder, "ledger.book");

    /// <summary>Set: the folder stays, for whoever wants to see what the processes said.</summary>
    public bool KeepFolder { get; set; }

    /// <summary>Of the jobs, and of the travel agency.</summary>
    public NpgsqlDataSource Database { get; }

    /// <summary>The platform's own view; no session, no hosted service: this process only looks.</summary>
    public IJobOperator Jobs => _platform.GetRequiredService<IJobOperator>();

    public NpgsqlDataSource Bank(string name) => _banks[name];

    public static async Task<Stage> SetUpAsync(int trips, CancellationToken ct)
    {
        await using (await ConnectAsync(ct)) // so that a broker that is away is said now, not by silence later
        {
        }

        var stage = new Stage($"demo_{Random.Shared.Next():x8}");
        try
        {
            await stage.CheckRoomAsync(ct);
            stage._isSet = true;
            await stage.Jobs.QueuesAsync(ct); // the first look makes the platform's tables
            await TripDatabase.CreateAsync(stage.Database, trips, ct);
            foreach (var bank in BankDatabase.Names)
            {
                await stage.ExecuteAsync($"create database {BankDatabase.NameOf(bank)}", ct);
                await BankDatabase.CreateAsync(stage.Bank(bank), ct);
            }

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
        if (!KeepFolder)
        {
            Directory.Delete(Folder, recursive: true);
        }
    }

    private async Task CheckRoomAsync(CancellationToken ct)
    {
        const int Wanted = 2 * Teller.TransfersAtOnce;
        await using var show = Database.CreateCommand("show max_prepared_transactions");
        var room = int.Parse((string)(await show.ExecuteScalarAsync(ct))!);
        if (room < Wanted)
        {
            throw new DemoException($"The server has max_prepared_transactions = {room}, and the demo wants {Wanted}. Set it in postgresql.conf and restart Postgres; or unset JOBS_POSTGRES, and ./run starts one that has it.");
        }
    }

    private async Task ClearAsync()
    {
        foreach (var bank in BankDatabase.Names)
        {
            await TryAsync($"drop database {BankDatabase.NameOf(bank)}", () => DropAsync(bank));
        }

        var drop = $"drop schema if exists {Schema} cascade";
        await TryAsync(drop, () => ExecuteAsync($"set client_min_messages = warning; {drop}", CancellationToken.None));
        foreach (var queue in Queues)
        {
            await TryAsync($"rabbitmqctl delete_queue {Schema}.{queue}", () => OnBrokerAsync(channel => channel.QueueDeleteAsync($"{Schema}.{queue}")));
        }

        foreach (var exchange in Exchanges)
        {
            await TryAsync($"rabbitmqadmin delete exchange --name {Schema}.{exchange}", () => OnBrokerAsync(channel => channel.ExchangeDeleteAsync($"{Schema}.{exchange}")));
        }
    }

    /// <summary>A database in which something is prepared cannot be dropped: after an interruption there is.</summary>
    private async Task DropAsync(string bank)
    {
        List<string> prepared = [];
        await using (var list = Database.CreateCommand("select gid from pg_prepared_xacts where database = $1"))
        {
            list.Parameters.Add(new() { Value = BankDatabase.NameOf(bank) });
            await using var reader = await list.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                prepared.Add(reader.GetString(0));
            }
        }

        foreach (var gid in prepared)
        {
            await using var rollback = _banks[bank].CreateCommand($"rollback prepared '{gid}'");
            await rollback.ExecuteNonQueryAsync();
        }

        await _banks[bank].DisposeAsync();
        await ExecuteAsync($"drop database if exists {BankDatabase.NameOf(bank)} with (force)", CancellationToken.None);
    }

    private async Task ExecuteAsync(string sql, CancellationToken ct)
    {
        await using var command = Database.CreateCommand(sql);
        command.CommandTimeout = 300; // dropping a database waits for a checkpoint, which may have much to write
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task OnBrokerAsync(Func<IChannel, Task> act)
    {
        await using var connection = await ConnectAsync(CancellationToken.None);
        await using var channel = await connection.CreateChannelAsync();
        await act(channel);
    }

    private static async Task<IConnection> ConnectAsync(CancellationToken ct)
    {
        try
        {
            return await new ConnectionFactory { Uri = new Uri(Servers.RabbitMq), ClientProvidedName = "Bank demo" }.CreateConnectionAsync(ct);
        }
        catch (Exception e) when (e is BrokerUnreachableException or UriFormatException or ArgumentException)
        {
            throw new DemoException($"RabbitMQ cannot be used ({e.GetBaseException().Message}). Start it with ./run up, or correct JOBS_RABBITMQ; it looks like amqp://user:password@localhost:5672/.");
        }
    }

    private static async Task TryAsync(string byHand, Func<Task> clear)
    {
        const int Tries = 15;
        for (var n = 1; ; n++)
        {
            try
            {
                await clear();
                return;
            }
            catch (Exception) when (n < Tries)
            {
                await Task.Delay(TimeSpan.FromSeconds(1)); // a backend of a killed process may still be at work, or the server recover
            }
            catch (Exception e)
            {
                await Console.Error.WriteLineAsync($"warning: the demo left something behind ({e.Message}); remove it by hand: {byHand}");
                return;
            }
        }
    }
}
