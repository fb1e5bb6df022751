using System.Diagnostics;
using Npgsql;

namespace Jobs.Bench;

/// <summary>What a process that has nothing to do costs: transactions a second and share of one core.</summary>
internal sealed record IdleCost(double StatementsPerSecond, double CpuPercent);

/// <summary>A worker with nothing to do, and a scheduler with nothing to do, each in a process and a database of its own, so that the database's own counters tell them apart.</summary>
internal sealed class Idle(BenchOptions options, StepLog steps, CancellationToken stop)
{
    /// <summary>Longer than a connection keeps its counts to itself, so that nothing of the start is counted.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(11);

    private TimeSpan Span => TimeSpan.FromSeconds(options.Quick ? 5 : 10);

    /// <returns>By role; empty where the user may not create databases.</returns>
    public async Task<IReadOnlyDictionary<string, IdleCost>> RunAsync()
    {
        string[] roles = [Child.IdleWorker, Child.IdleScheduler];
        var costs = Task.WhenAll(roles.Select(MeasureAsync));
        try
        {
            var measured = await steps.WhileAsync($"idle: a worker and a scheduler with nothing to do, {(Settle + Span).TotalSeconds:F0} s", costs);
            return roles.Zip(measured).ToDictionary(r => r.First, r => r.Second);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            steps.Say("idle: left out, this database user may not create a database to count in");
            return new Dictionary<string, IdleCost>();
        }
    }

    private async Task<IdleCost> MeasureAsync(string role)
    {
        var database = $"{Rounds.Name}_{role}";
        await using var connection = await Servers.OpenAsync();
        await Servers.ExecuteAsync(connection, $"create database {database}");
        try
        {
            var postgres = new NpgsqlConnectionStringBuilder(Servers.Postgres) { Database = database }.ConnectionString;
            using var process = await Child.StartIdleAsync(role, database, postgres, stop);
            try
            {
                await Task.Delay(Settle, stop);
                var (transactions, cpu) = (await TransactionsAsync(connection, database), process.TotalProcessorTime);
                var clock = Stopwatch.StartNew();
                await Task.Delay(Span, stop);
                process.Refresh();
                var used = process.TotalProcessorTime - cpu;
                return new IdleCost((await TransactionsAsync(connection, database) - transactions) / clock.Elapsed.TotalSeconds, 100 * used / clock.Elapsed);
            }
            finally
            {
                Child.End(process);
            }
        }
        finally
        {
            await Servers.RemoveAsync(database); // its queues
            await Servers.ExecuteAsync(connection, $"drop database if exists {database} with (force)");
        }
    }

    private static Task<long> TransactionsAsync(NpgsqlConnection connection, string database) =>
        Servers.ValueAsync<long>(connection, $"select xact_commit + xact_rollback from pg_stat_database where datname = '{database}'");
}
