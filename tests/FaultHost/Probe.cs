using Npgsql;

namespace Jobs.Tests.FaultHost;

/// <summary>A job that looks at a limit from outside: it holds a lock that there are only so many of, and stamps its start by the database clock.</summary>
/// <param name="Key">What the limit is for; jobs of one key share <c>probe_slot</c> rows.</param>
/// <param name="Ms">How long its handler takes.</param>
[Job("probe")]
internal sealed record Probe(long N, string Key, int Ms);

/// <summary>
/// The slots are rows that a handler locks while it runs: the lock of a killed process goes with its connection. Who finds none free is one too many, and says so in <c>probe_fault</c>.
/// Nothing here goes through the platform.
/// </summary>
internal sealed class ProbeHandler(FaultOptions options, LineFile runs, ProbeTables tables, TimeProvider time) : IJobHandler<Probe>
{
    public async Task HandleAsync(Probe job, JobContext context, CancellationToken ct)
    {
        runs.Append($"{context.Id} {context.Attempt} {time.GetUtcNow().ToUnixTimeMilliseconds()}");
        if (options.Stamps)
        {
            await using var stamp = tables.Source.CreateCommand($"insert into {tables.Schema}.probe_start (id, key, at) values ($1, $2, clock_timestamp())");
            stamp.Parameters.Add(new() { Value = context.Id.Value });
            stamp.Parameters.Add(new() { Value = job.Key });
            await stamp.ExecuteNonQueryAsync(CancellationToken.None);
            await Task.Delay(TimeSpan.FromMilliseconds(job.Ms), time, ct);
            return;
        }

        await using var connection = await tables.Source.OpenConnectionAsync(CancellationToken.None);
        await using var transaction = await connection.BeginTransactionAsync(CancellationToken.None);
        await using var take = new NpgsqlCommand($"select n from {tables.Schema}.probe_slot where key = $1 limit 1 for update skip locked", connection) { Parameters = { new() { Value = job.Key } } };
        if (await take.ExecuteScalarAsync(CancellationToken.None) is null)
        {
            await using var say = tables.Source.CreateCommand($"insert into {tables.Schema}.probe_fault (key, id, at) values ($1, $2, clock_timestamp())");
            say.Parameters.Add(new() { Value = job.Key });
            say.Parameters.Add(new() { Value = context.Id.Value });
            await say.ExecuteNonQueryAsync(CancellationToken.None);
        }

        await Task.Delay(TimeSpan.FromMilliseconds(job.Ms), time, ct);
        await transaction.RollbackAsync(CancellationToken.None);
    }
}

/// <summary>Where the probes write, on connections of their own.</summary>
internal sealed class ProbeTables(FaultOptions options) : IDisposable
{
    public NpgsqlDataSource Source { get; } = NpgsqlDataSource.Create($"{options.Postgres};Maximum Pool Size={(options.Stamps ? 15 : (options.Concurrency * options.Queues.Length) + 5)};Max Auto Prepare=5;Options=-c synchronous_commit=off");

    public string Schema => options.Schema;

    public void Dispose() => Source.Dispose();
}
