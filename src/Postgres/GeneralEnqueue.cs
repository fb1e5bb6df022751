using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>
/// E1 for jobs that are more than plain, in one transaction: keys that are held, parents that are marked, batches that are still open, then the rows and who waits for whom.
/// Each step is one statement for all rows that need it, and left out if none does.
/// </summary>
internal sealed class GeneralEnqueue(Database database, NpgsqlConnection connection, NpgsqlTransaction transaction, bool pending)
{
    private const int Few = 16;

    private readonly Dictionary<JobId, Enqueued> _fates = [];
    private readonly HashSet<Guid> _written = [];

    /// <summary>Parents that had already ended: whoever waits for them is to be let go after the commit.</summary>
    public List<Guid> EndedParents { get; } = [];

    /// <param name="jobs">The jobs; those that others of them wait for come first.</param>
    /// <param name="again">An earlier try may have succeeded: what has ended meanwhile is not written again.</param>
    /// <param name="ct">Stops it; nothing is written then.</param>
    /// <exception cref="JobsException">A parent or a batch that is not there.</exception>
    public async Task<IReadOnlyDictionary<JobId, Enqueued>> RunAsync(IReadOnlyList<NewJob> jobs, bool again, CancellationToken ct)
    {
        var left = jobs;
        if (jobs.Any(j => j.Ties?.HeldKey is not null))
        {
            left = await HoldAsync(jobs, ct);
        }

        if (left.Any(j => j.Ties?.After.Count > 0))
        {
            await FollowAsync(left, ct);
        }

        if (left.Any(j => j.Ties?.Batch is not null))
        {
            await CheckBatchesAsync(left, ct);
        }

        // New ids and nothing to decide: the cheap statement; but a few are not worth one of their own where the other is needed anyway.
        var plain = again || pending ? [] : left.Where(j => j.IsPlainButForColumns).ToList();
        if (plain.Count <= Few && left.Any(j => !j.IsPlainButForColumns && j.Ties?.UniqueKey is null))
        {
            plain = [];
        }

        await InsertTiedAsync(plain, ct);
        await InsertAsync("enqueue_any", [.. left.Where(j => j.Ties?.UniqueKey is null && (plain.Count == 0 || !j.IsPlainButForColumns))], null, again, ct);
        foreach (var group in left.Where(j => j.Ties?.UniqueKey is not null).GroupBy(j => j.Ties!.OnConflict).OrderBy(g => g.Key))
        {
            await InsertAsync("enqueue_unique", [.. group], group.Key switch { UniqueConflict.ReplaceArguments => "replace", UniqueConflict.MoveTime => "move", _ => "keep" }, again, ct);
        }

        if (again && _written.Count > 0)
        {
            await ForgetEndedAsync(jobs, ct);
        }

        if (left.Any(j => j.Ties?.After.Count > 0))
        {
            await AddEdgesAsync(left, ct);
        }

        return _fates;
    }

    private async Task<IReadOnlyList<NewJob>> HoldAsync(IReadOnlyList<NewJob> jobs, CancellationToken ct)
    {
        var keyed = jobs.Where(j => j.Ties?.HeldKey is not null).ToList();
        var owners = new Dictionary<string, Guid>(StringComparer.Ordinal);
        await using (var hold = Command("hold_keys", Param.Of(keyed.Select(j => j.Ties!.HeldKey!).ToArray()), Param.Of(keyed.Select(j => j.Id.Value).ToArray()),
            Param.Of(keyed.Select(j => j.Ties!.HeldSeconds).ToArray())))
        {
            await using var reader = await hold.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
            {
                owners.Add(reader.GetString(0), reader.GetGuid(1));
            }
        }

        var left = new List<NewJob>(jobs.Count);
        foreach (var job in jobs)
        {
            if (job.Ties?.HeldKey is { } key && owners[key] != job.Id.Value)
            {
                _fates[job.Id] = new Enqueued(EnqueueFate.Existed, new JobId(owners[key]));
            }
            else
            {
                left.Add(job);
            }
        }

        return left;
    }

    private async Task FollowAsync(IReadOnlyList<NewJob> jobs, CancellationToken ct)
    {
        var own = jobs.Select(j => j.Id).ToHashSet();
        var unknown = jobs.SelectMany(j => j.Ties?.After ?? []).Select(a => a.Parent).Where(p => !own.Contains(p)).Distinct().ToList();
        // Twice: a parent that ends while the first look waits for its row is in history only for the second.
        for (var look = 0; look < 2 && unknown.Count > 0; look++)
        {
            await using var follow = Command(pending ? "find_parents" : "follow_parents", Param.Of(unknown.Select(u => u.Value).ToArray()), Param.Of(QueryStore.LookBack(unknown.Min(u => u.CreatedAt))));
            await using var reader = await follow.ExecuteReaderAsync(ct);
            unknown = [];
            while (await reader.ReadAsync(ct))
            {
                var parent = reader.GetGuid(0);
                if (reader.IsDBNull(1))
                {
                    unknown.Add(new JobId(parent));
                }
                else if (!reader.GetBoolean(1))
                {
                    EndedParents.Add(parent);
                }
            }
        }

        if (unknown.Count > 0)
        {
            throw new JobsException($"There is no job {unknown[0]} to wait for: its id is wrong, or it ended longer ago than history is kept. Enqueue without it in After.");
        }
    }

    private async Task CheckBatchesAsync(IReadOnlyList<NewJob> jobs, CancellationToken ct)
    {
        var wanted = jobs.Select(j => j.Ties?.Batch).OfType<JobId>().Distinct().ToList();
        await using var open = Command("open_batches", Param.Of(wanted.Select(w => w.Value).ToArray()));
        await using var reader = await open.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            wanted.Remove(new JobId(reader.GetGuid(0)));
        }

        if (wanted.Count > 0)
        {
            throw new JobsException($"Batch {wanted[0]} takes no jobs: it does not exist, or it has been sealed. Make one with CreateBatchAsync, and seal it after the last enqueue.");
        }
    }

    private async Task InsertTiedAsync(IReadOnlyList<NewJob> jobs, CancellationToken ct)
    {
        if (jobs.Count == 0)
        {
            return;
        }

        await using var insert = Command("enqueue_tied");
        FillTied(insert, jobs, database);
        await insert.ExecuteNonQueryAsync(ct);
        foreach (var job in jobs)
        {
            _fates[job.Id] = new Enqueued(EnqueueFate.Queued, job.Id);
        }
    }

    /// <summary>The parameters of the cheap statement.</summary>
    public static void FillTied(NpgsqlCommand insert, IReadOnlyList<NewJob> jobs, Database database)
    {
        insert.Parameters.AddRange(JobStore.EnqueueParameters(jobs));
        insert.Parameters.Add(Array(jobs, j => j.Ties?.ExpiresSeconds, NpgsqlDbType.Double));
        insert.Parameters.Add(Array(jobs, j => j.Ties?.TimeoutSeconds, NpgsqlDbType.Real));
        insert.Parameters.Add(Array(jobs, j => j.Ties?.Batch?.Value, NpgsqlDbType.Uuid));
        AddCarried(insert, jobs, database);
    }

    private async Task InsertAsync(string statement, IReadOnlyList<NewJob> jobs, string? onConflict, bool again, CancellationToken ct)
    {
        if (jobs.Count == 0)
        {
            return;
        }

        await using var insert = Command(statement, JobStore.EnqueueParameters(jobs));
        var parameters = insert.Parameters;
        parameters.Add(Array(jobs, j => j.DelaySeconds, NpgsqlDbType.Double));
        parameters.Add(Array(jobs, j => j.RunAt?.ToUniversalTime(), NpgsqlDbType.TimestampTz));
        parameters.Add(Param.Of(pending));
        parameters.Add(Array(jobs, j => j.Ties?.ExpiresSeconds, NpgsqlDbType.Double));
        parameters.Add(Array(jobs, j => j.Ties?.TimeoutSeconds, NpgsqlDbType.Real));
        parameters.Add(Array(jobs, j => j.Ties?.Batch?.Value, NpgsqlDbType.Uuid));
        parameters.Add(Array(jobs, j => j.Ties?.After is { Count: > 0 } after ? $"{{{string.Join(',', after.Select(a => a.Parent).Distinct())}}}" : null, NpgsqlDbType.Text));
        parameters.Add(Array(jobs, j => j.Ties?.After.DistinctBy(a => a.Parent).Count() ?? 0, NpgsqlDbType.Integer));
        parameters.Add(Array(jobs, j => j.Ties?.Followed ?? false, NpgsqlDbType.Boolean));
        AddCarried(insert, jobs, database);
        if (onConflict is not null)
        {
            parameters.Add(Array(jobs, j => j.Ties!.UniqueKey, NpgsqlDbType.Text));
            parameters.Add(Array(jobs, j => j.Ties!.UntilStarted, NpgsqlDbType.Boolean));
            parameters.Add(Param.Of(onConflict));
            parameters.Add(Param.Of(again));
        }

        var owners = new Dictionary<string, JobId>(StringComparer.Ordinal);
        await using (var reader = await insert.ExecuteReaderAsync(ct))
        {
            var own = jobs.Select(j => j.Id).ToHashSet();
            while (await reader.ReadAsync(ct))
            {
                var id = new JobId(reader.GetGuid(0));
                if (!reader.IsDBNull(2))
                {
                    owners[reader.GetString(2)] = id;
                }

                if (own.Contains(id))
                {
                    _written.Add(id.Value);
                    _fates[id] = new Enqueued(reader.GetString(1) == "queued" ? EnqueueFate.Queued : EnqueueFate.Waiting, id);
                }
            }
        }

        var lost = new List<(string Key, JobId Owner)>();
        foreach (var job in jobs.Where(j => !_written.Contains(j.Id.Value)))
        {
            // With no answer for its key it was left out by its id: an earlier try had written it.
            var owner = job.Ties?.UniqueKey is { } key && owners.TryGetValue(key, out var other) ? other : job.Id;
            _fates[job.Id] = new Enqueued(EnqueueFate.Existed, owner);
            if (job.Ties?.HeldKey is { } held && owner != job.Id)
            {
                lost.Add((held, owner));
            }
        }

        if (lost.Count > 0)
        {
            await using var pass = Command("hold_keys_for", Param.Of(lost.Select(l => l.Key).ToArray()), Param.Of(lost.Select(l => l.Owner.Value).ToArray()));
            await pass.ExecuteNonQueryAsync(ct);
        }
    }

    /// <summary>What is only carried along: origin, trace, tags, metadata.</summary>
    private static void AddCarried(NpgsqlCommand insert, IReadOnlyList<NewJob> jobs, Database database)
    {
        insert.Parameters.Add(Array(jobs, j => j.Origin ?? database.Origin, NpgsqlDbType.Text));
        insert.Parameters.Add(Array(jobs, j => j.Ties?.Trace, NpgsqlDbType.Text));
        insert.Parameters.Add(Array(jobs, j => j.Ties?.Tags is { Count: > 0 } tags ? ArrayText(tags) : null, NpgsqlDbType.Text));
        insert.Parameters.Add(Array(jobs, j => j.Ties?.Metadata, NpgsqlDbType.Jsonb));
    }

    /// <summary>An array of texts as one text, because arrays of one length only can be unnested together.</summary>
    private static string ArrayText(IReadOnlyList<string> values) =>
        $"{{{string.Join(',', values.Select(v => $"\"{v.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""))}}}";

    private async Task ForgetEndedAsync(IReadOnlyList<NewJob> jobs, CancellationToken ct)
    {
        await using var forget = Command("forget_if_ended", Param.Of(_written.ToArray()), Param.Of(QueryStore.LookBack(jobs.Min(j => j.Id.CreatedAt))));
        await using var reader = await forget.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var id = new JobId(reader.GetGuid(0));
            _written.Remove(id.Value);
            _fates[id] = new Enqueued(EnqueueFate.Existed, id);
        }
    }

    private async Task AddEdgesAsync(IReadOnlyList<NewJob> jobs, CancellationToken ct)
    {
        var edges = (from job in jobs where _written.Contains(job.Id.Value) from after in job.Ties?.After ?? [] select (job.Id, after)).ToList();
        await using var add = Command("add_edges", Param.Of(edges.Select(e => e.Id.Value).ToArray()), Param.Of(edges.Select(e => e.after.Parent.Value).ToArray()),
            Param.Of(edges.Select(e => Words.Of(e.after.OtherwiseDo)).ToArray()));
        await add.ExecuteNonQueryAsync(ct);
    }

    private NpgsqlCommand Command(string statement, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(database.Sql[statement], connection, transaction);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private static NpgsqlParameter Array<T>(IReadOnlyList<NewJob> jobs, Func<NewJob, T> value, NpgsqlDbType type) =>
        new() { Value = jobs.Select(value).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type };
}
