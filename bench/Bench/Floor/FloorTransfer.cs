using Npgsql;

namespace Jobs.Bench.Floor;

/// <summary>
/// A transfer between two databases as one writes it by hand where nothing may fail: one after the other, prepare here, prepare there, the decision as a row, commit here, commit there. No recovery, no
/// retries, nobody who would ever end what a crash leaves.
/// </summary>
internal sealed class FloorTransfer(string schema) : IAsyncDisposable
{
    private const int Connections = 40;

    private readonly NpgsqlDataSource _here = NpgsqlDataSource.Create(TransferDatabases.Settings(TransferDatabases.Here, Connections));
    private readonly NpgsqlDataSource _there = NpgsqlDataSource.Create(TransferDatabases.Settings(TransferDatabases.There, Connections));
    private readonly NpgsqlDataSource _decisions = NpgsqlDataSource.Create(TransferDatabases.Settings(null, Connections));
    private readonly string _take = Sql.Read("take", "");
    private readonly string _give = Sql.Read("give", "");
    private readonly string _decide = Sql.Read("floor_decide", schema);

    public IReadOnlyList<NpgsqlDataSource> Sources => [_here, _there, _decisions];

    public async Task RunAsync(int from, int to)
    {
        var id = Guid.CreateVersion7();
        await PrepareAsync(_here, _take, from, $"bench:{id}:1");
        await PrepareAsync(_there, _give, to, $"bench:{id}:2");
        await using (var decide = _decisions.CreateCommand(_decide))
        {
            decide.Parameters.Add(new() { Value = id });
            await decide.ExecuteNonQueryAsync();
        }

        await CommitAsync(_here, $"bench:{id}:1");
        await CommitAsync(_there, $"bench:{id}:2");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in Sources)
        {
            await source.DisposeAsync();
        }
    }

    private static async Task PrepareAsync(NpgsqlDataSource source, string work, int account, string gid)
    {
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand(work, connection) { Parameters = { new("Amount", 1), new("Account", account) } })
        {
            if (await command.ExecuteNonQueryAsync() != 1)
            {
                throw new BenchException("The floor's transfer changed no row: what is measured is wrong.");
            }
        }

        await using var prepare = new NpgsqlCommand($"prepare transaction '{gid}'", connection);
        await prepare.ExecuteNonQueryAsync();
    }

    private static async Task CommitAsync(NpgsqlDataSource source, string gid)
    {
        await using var command = source.CreateCommand($"commit prepared '{gid}'");
        await command.ExecuteNonQueryAsync();
    }
}
