using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using RabbitMQ.Client;

namespace Jobs.Bench.Floor;

/// <summary>Insert, commit, publish. Bulk: a thousand rows a statement while the ones before are being published. Single: whoever is waiting shares a statement.</summary>
internal sealed class FloorEnqueuer : IAsyncDisposable
{
    private const int BatchSize = 1000;
    private static readonly int Writers = int.Parse(Environment.GetEnvironmentVariable("FLOOR_WRITERS") ?? "2");
    private static readonly byte[] Arguments = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { text = Load.Text }));
    private static readonly byte[][] BatchArguments = [.. Enumerable.Repeat(Arguments, BatchSize)];

    private readonly string _schema;
    private readonly FloorPublisher[] _publisher;
    private readonly FloorStatement _insert;
    private readonly FloorStatement[] _singleInserts;
    private readonly Channel<(string Queue, Guid[] Ids)> _committed =
        Channel.CreateBounded<(string, Guid[])>(new BoundedChannelOptions(256) { SingleReader = false });
    private readonly Channel<Waiting> _waiting = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(10_000));
    private readonly Dictionary<string, CachedString> _routes = [];
    private readonly Task _loops;
    private int _unpublished;

    private FloorEnqueuer(string schema, FloorPublisher[] publisher, FloorStatement insert, FloorStatement[] singleInserts)
    {
        (_schema, _publisher, _insert, _singleInserts) = (schema, publisher, insert, singleInserts);
        _loops = Task.WhenAll([.. publisher.Select(p => Task.Run(() => PublishAsync(p))), .. singleInserts.Select(i => Task.Run(() => WriteWaitingAsync(i)))]);
    }

    private sealed record Waiting(Guid Id, TaskCompletionSource Done);

    public static async Task<FloorEnqueuer> OpenAsync(IConnection connection, string schema)
    {
        var singles = new List<FloorStatement>();
        for (var i = 0; i < Writers; i++)
        {
            singles.Add(await FloorStatement.PrepareAsync("floor_insert", schema, withArguments: true));
        }

        return new FloorEnqueuer(schema, await Task.WhenAll(Enumerable.Range(0, int.Parse(Environment.GetEnvironmentVariable("FLOOR_CH") ?? "1")).Select(async _ => await FloorPublisher.OpenAsync(Environment.GetEnvironmentVariable("FLOOR_ONE") is null ? await Servers.ConnectAsync() : connection))), await FloorStatement.PrepareAsync("floor_insert", schema, withArguments: true), [.. singles]);
    }

    public async Task EnqueueManyAsync(string queue, int jobs)
    {
        for (var left = jobs; left > 0;)
        {
            var ids = new Guid[Math.Min(left, BatchSize)];
            for (var i = 0; i < ids.Length; i++)
            {
                ids[i] = Guid.CreateVersion7();
            }

            await InsertAsync(_insert, queue, ids);
            left -= ids.Length;
        }
    }

    public async Task EnqueueAsync()
    {
        var waiting = new Waiting(Guid.CreateVersion7(), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_waiting.Writer.TryWrite(waiting))
        {
            await _waiting.Writer.WriteAsync(waiting);
        }

        await waiting.Done.Task;
    }

    public async Task ConfirmedAsync()
    {
        while (Volatile.Read(ref _unpublished) > 0)
        {
            if (_loops.IsFaulted)
            {
                await _loops;
            }

            await Task.Delay(1);
        }

        foreach (var p in _publisher) await p.AllConfirmedAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        _committed.Writer.TryComplete();
        await _loops;
        foreach (var p in _publisher) await p.DisposeAsync();
        await _insert.DisposeAsync();
        foreach (var insert in _singleInserts)
        {
            await insert.DisposeAsync();
        }
    }

    private async Task InsertAsync(FloorStatement insert, string queue, Guid[] ids)
    {
        await insert.ExecuteAsync(ids, ids.Length == BatchSize ? BatchArguments : BatchArguments[..ids.Length]);
        Interlocked.Add(ref _unpublished, ids.Length);
        await _committed.Writer.WriteAsync((queue, ids));
    }

    private async Task WriteWaitingAsync(FloorStatement insert)
    {
        var batch = new List<Waiting>();
        while (await _waiting.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < BatchSize && _waiting.Reader.TryRead(out var waiting))
            {
                batch.Add(waiting);
            }

            if (batch.Count > 0)
            {
                await InsertAsync(insert, Load.Queue, [.. batch.Select(w => w.Id)]);
                batch.ForEach(w => w.Done.SetResult());
            }
        }
    }

    private async Task PublishAsync(FloorPublisher pub)
    {
        await foreach (var (queue, ids) in _committed.Reader.ReadAllAsync())
        {
            CachedString? route; lock (_routes) if (!_routes.TryGetValue(queue, out route))
            {
                _routes.Add(queue, route = new CachedString($"{_schema}.{queue}"));
            }

            foreach (var id in ids)
            {
                await pub.PublishAsync(route, id);
            }

            Interlocked.Add(ref _unpublished, -ids.Length);
        }
    }
}
