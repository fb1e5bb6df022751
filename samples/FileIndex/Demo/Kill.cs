using Npgsql;

namespace FileIndex.Demo;

/// <summary>
/// Kills one worker in the middle of its work. So that every run shows the same, even over a handful of files, the demo holds its breath for the moment of
/// the kill: from the first result after a third on, a trigger makes the inserts of results wait for a lock that the demo holds until the worker is dead.
/// Neither the platform nor the handler knows of it; what runs at that moment really runs, and really dies.
/// </summary>
internal sealed class Kill : IAsyncDisposable
{
    /// <summary>From the first insert that waits until those before it have become ended jobs.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(100);

    private readonly Stage _stage;
    private readonly NpgsqlConnection _gate;
    private readonly long _third;

    private Kill(Stage stage, NpgsqlConnection gate, long third) => (_stage, _gate, _third) = (stage, gate, third);

    public static async Task<Kill> PrepareAsync(Stage stage, long files, CancellationToken ct)
    {
        var third = files / 3;
        var gate = await stage.Database.OpenConnectionAsync(ct);
        await using var command = new NpgsqlCommand($"""
            create sequence stored;
            create function wait_for_the_kill() returns trigger language plpgsql as $$
            begin
              if nextval('stored') > {third} then
                perform pg_advisory_xact_lock_shared(hashtextextended(tg_table_schema, 1));
              end if;
              return new;
            end $$;
            create trigger wait_for_the_kill before insert on file_result for each row execute function wait_for_the_kill();
            select pg_advisory_lock(hashtextextended('{stage.Schema}', 1));
            """, gate);
        await command.ExecuteNonQueryAsync(ct);
        return new Kill(stage, gate, third);
    }

    /// <summary>Once a third is done, kills the busiest of the workers and lets the others go on.</summary>
    /// <returns>Null: not yet.</returns>
    public async Task<Death?> TryAsync(IReadOnlyList<ChildProcess> workers, CancellationToken ct)
    {
        if (await ScalarAsync<long>("select last_value from stored", ct) <= _third)
        {
            return null;
        }

        await Task.Delay(Settle, ct);
        var busiest = await BusiestAsync(workers, ct);
        if (busiest is not { } victim)
        {
            return null; // a claim is on its way: the next look finds it
        }

        var at = await ScalarAsync<DateTime>("select clock_timestamp()", ct);
        await victim.Worker.KillAsync();
        var ran = await ScalarAsync<Guid[]>("select coalesce(array_agg(id), '{}') from job where state = 'running' and session = $1", ct, victim.Session);
        await _gate.CloseAsync();
        return new Death(victim.Worker, ran, at);
    }

    public ValueTask DisposeAsync() => _gate.DisposeAsync();

    private async Task<(ChildProcess Worker, Guid Session)?> BusiestAsync(IReadOnlyList<ChildProcess> workers, CancellationToken ct)
    {
        var running = await Observer.RunningAsync(_stage, ct);
        var sessions = await _stage.Jobs.SessionsAsync(ct);
        var candidates = from worker in workers
                         join session in sessions on worker.Id equals session.ProcessId
                         let jobs = running.GetValueOrDefault(session.Id)
                         where jobs > 0 && worker.IsAlive
                         orderby jobs descending
                         select (worker, session.Id);
        return candidates.Select(c => ((ChildProcess, Guid)?)c).FirstOrDefault();
    }

    private async Task<T> ScalarAsync<T>(string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = _stage.Database.CreateCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(new() { Value = parameter });
        }

        return (T)(await command.ExecuteScalarAsync(ct))!;
    }
}

/// <summary>What the kill interrupted. The time is by the database clock, as that of the jobs' ends.</summary>
internal sealed record Death(ChildProcess Worker, Guid[] Jobs, DateTime At);
