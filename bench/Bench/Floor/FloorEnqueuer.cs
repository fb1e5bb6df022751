using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using RabbitMQ.Client;

namespace Jobs.Bench.Floor;

/// <summary>Insert, commit, publish. Bulk: a thousand rows a statement while the ones before are being published. Single: whoever is waiting shares a statement.</summary>
internal sealed class FloorEnqueuer : IAsyncDisposable
{
    private const int BatchSize = 1000;

    /// <summary>What one connection carries is bound by one reader process in the broker: four give up to a quarter more than one, six no more than four.</summary>
    private const int Publishers = 4;

    /// <summary>The next single enqueues gather while one batch is being committed and another is on its way; three are slower.</summary>
    private const int Writers = 2;

    private static readonly byte[] Arguments = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { text = Load.Text }));
    private static readonly byte[][] BatchArguments = [.. Enumerable.Repeat(Arguments, BatchSize)];

    private readonly string _schema;
    private readonly FloorPublisher[] _publishers;
    private readonly FloorStatement _insert;
    private readonly FloorStatement[] _singleInserts;
    private readonly Channel<(string Queue, Guid[] Ids)> _committed = Channel.CreateBounded<(string, Guid[])>(256);
    private readonly Channel<Waiting> _waiting = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(10_000));
    private readonly Task _loops;
    private int _unpublished;

    private FloorEnqueuer(string schema, FloorPublisher[] publishers, FloorStatement insert, FloorStatement[] singleInserts)
    {
        (_schema, _publishers, _insert, _singleInserts) = (schema, publishers, insert, singleInserts);
        _loops = Task.WhenAll([.. publishers.Select(p => Task.Run(() => PublishAsync(p))), .. singleInserts.Select(i => Task.Run(() => WriteWaitingAsync(i)))]);
    }

    private sealed record Waiting(Guid Id, TaskCompletionSource Done);

    public static async Task<FloorEnqueuer> OpenAsync(string schema)
    {
        var inserts = await Task.WhenAll(Enumerable.Range(0, 1 + Writers).Select(_ => FloorStatement.PrepareAsync("floor_insert", schema, withArguments: true)));
        var publishers = await Task.WhenAll(Enumerable.Range(0, Publishers).Select(_ => FloorPublisher.OpenAsync()));
        return new FloorEnqueuer(schema, publishers, inserts[0], inserts[1..]);
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

        await Task.WhenAll(_publishers.Select(p => p.AllConfirmedAsync()));
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        _committed.Writer.TryComplete();
        await _loops;
        foreach (var each in _publishers.Cast<IAsyncDisposable>().Concat(_singleInserts).Append(_insert))
        {
            await each.DisposeAsync();
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

    private async Task PublishAsync(FloorPublisher publisher)
    {
        var routes = new Dictionary<string, CachedString>();
        await foreach (var (queue, ids) in _committed.Reader.ReadAllAsync())
        {
            if (!routes.TryGetValue(queue, out var route))
            {
                routes.Add(queue, route = new CachedString($"{_schema}.{queue}"));
            }

            foreach (var id in ids)
            {
                await publisher.PublishAsync(route, id);
            }

            Interlocked.Add(ref _unpublished, -ids.Length);
        }
    }
}
