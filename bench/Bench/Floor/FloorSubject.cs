using RabbitMQ.Client;

namespace Jobs.Bench.Floor;

/// <summary>The least work that dispatches a durable job through RabbitMQ and keeps its state in Postgres, with the same clients and the same durability.</summary>
internal sealed class FloorSubject(string schema) : ISubject
{
    private static readonly Dictionary<string, object?> Quorum = new() { ["x-queue-type"] = "quorum" };

    public async Task CreateAsync()
    {
        await using var connection = await Servers.OpenAsync();
        await Servers.ExecuteAsync(connection, Sql.Read("floor_create", schema));
        await using var broker = await Servers.ConnectAsync();
        await using var channel = await broker.CreateChannelAsync();
        foreach (var queue in new[] { Load.Queue, Load.WarmQueue })
        {
            await channel.QueueDeclareAsync($"{schema}.{queue}", durable: true, exclusive: false, autoDelete: false, Quorum);
        }
    }

    public async Task<IRun> StartAsync(Work? work)
    {
        var enqueuer = await FloorEnqueuer.OpenAsync(schema);
        return new Run(schema, enqueuer, work is null ? null : await FloorWorker.StartAsync(schema, work));
    }

    private sealed class Run(string schema, FloorEnqueuer enqueuer, FloorWorker? worker) : IRun
    {
        public Task EnqueueManyAsync(string queue, int jobs, int priority) => enqueuer.EnqueueManyAsync(queue, jobs); // the floor knows no priorities

        public Task EnqueueAsync() => enqueuer.EnqueueAsync();

        public Task DispatchedAsync(string queue, int depth) => enqueuer.ConfirmedAsync();

        public Task EndedAsync() => worker?.EndedAsync() ?? Task.CompletedTask;

        public async Task<long> CountHistoryAsync()
        {
            await using var connection = await Servers.OpenAsync();
            return await Servers.ValueAsync<long>(connection, $"select count(*) from {schema}.history");
        }

        public async ValueTask DisposeAsync()
        {
            if (worker is not null)
            {
                await worker.DisposeAsync();
            }

            await enqueuer.DisposeAsync();
        }
    }
}
