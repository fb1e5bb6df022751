using System.Data;
using Npgsql;

namespace Jobs.Postgres;

/// <summary>
/// Lists of jobs, live and ended, in pages by id. Each page reads a bounded number of rows, however large history is: what an index reaches directly, or else the newest ones, and then it says how
/// far back it looked.
/// </summary>
internal sealed class JobSearch(Database database)
{
    /// <summary>How many of the newest rows a page looks through where no index serves its filter: 35 ms of work, measured at 10 million rows.</summary>
    private const int MostNewest = 100_000;

    /// <summary>The same where JSON of each row has to be read.</summary>
    private const int MostParsed = 20_000;

    /// <summary>How many rows an index without an order may reach, all of which are read and sorted: 40 ms.</summary>
    private const int MostReached = 5000;

    private const string Newest = "order by id desc limit $2";
    private const string All = "offset $2";

    public async Task<JobList> ListAsync(JobFilter filter, JobPage page, CancellationToken ct)
    {
        await database.ReadyAsync(ct);
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        // One snapshot: a job that ends meanwhile is seen once.
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        var places = new List<Place>(2);
        if (filter is { EndedFrom: null, EndedTo: null } && filter.State is null or <= JobState.Running)
        {
            places.Add(new Place("list_live", "job", Ended: false));
        }

        if (filter.State is null or > JobState.Running)
        {
            places.Add(new Place("list_ended", filter.State switch { null => "history", JobState.Succeeded => "history_succeeded", _ => "history_other" }, Ended: true));
        }

        var found = new List<JobInfo>();
        Guid? searchedBack = null;
        foreach (var place in places)
        {
            var (jobs, last) = await SearchAsync(place, filter, page, connection, ct);
            found.AddRange(jobs);
            searchedBack = last is { } id && (searchedBack is null || id.CompareTo(searchedBack.Value) > 0) ? id : searchedBack;
        }

        await transaction.CommitAsync(ct);
        // What lies below the end of the shorter look comes on the next page, or pages would not be in order.
        found = [.. found.Where(j => searchedBack is not { } end || j.Id.Value.CompareTo(end) >= 0).OrderByDescending(j => j.Id.Value).Take(page.Limit)];
        return found.Count == page.Limit ? new JobList(found, next: found[^1].Id)
            : searchedBack is { } back ? new JobList(found, next: new JobId(back), searchedBack: new JobId(back), warning: Warning(filter, new JobId(back)))
            : new JobList(found);
    }

    private static int Most(JobFilter filter) => filter.Where.Count > 0 || filter.Error is not null ? MostParsed : MostNewest;

    private static string Warning(JobFilter filter, JobId back) =>
        $"No index serves this filter, so a page looks through {Most(filter):N0} jobs at most: this one back to those of {back.CreatedAt.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC. "
        + $"Go on below {back}, or narrow the filter: by when the job ended or was enqueued, by a tag or a batch, or to the state failed.";

    private async Task<(List<JobInfo> Jobs, Guid? Last)> SearchAsync(Place place, JobFilter filter, JobPage page, NpgsqlConnection connection, CancellationToken ct)
    {
        foreach (var reach in Scattered(filter, place))
        {
            if (await CountAsync(place, reach, connection, ct) <= MostReached)
            {
                return (await ReadAsync(place, reach, All, 0, filter, page, connection, ct), null);
            }
        }

        var newest = InOrder(filter, place);
        var jobs = await ReadAsync(place, newest, Newest, Most(filter), filter, page, connection, ct);
        return (jobs, jobs.Count == page.Limit ? null : await LastAsync(place, newest, Most(filter), page.Below, connection, ct));
    }

    /// <summary>Conditions that an index serves, but not in order of id. They are worth it where they are few rows.</summary>
    private static IEnumerable<JobFilter> Scattered(JobFilter filter, Place place)
    {
        if (filter.Ids.Count > 0 || filter.Batch is not null)
        {
            yield break;
        }

        if (filter.Tags.Count > 0)
        {
            yield return new JobFilter { Tags = filter.Tags };
        }

        if (place.Ended && filter.EndedFrom is not null)
        {
            yield return new JobFilter { EndedFrom = filter.EndedFrom, EndedTo = filter.EndedTo };
        }
    }

    /// <summary>Conditions that an index serves in order of id.</summary>
    private static JobFilter InOrder(JobFilter filter, Place place)
    {
        var times = new JobFilter
        {
            EnqueuedFrom = filter.EnqueuedFrom,
            EnqueuedTo = filter.EnqueuedTo is null || filter.EndedTo < filter.EnqueuedTo ? filter.EndedTo ?? filter.EnqueuedTo : filter.EnqueuedTo, // what ended before a time was enqueued before it
            EndedFrom = filter.EndedFrom is { } from ? new DateTimeOffset(from.UtcDateTime.Date, TimeSpan.Zero) : null, // leaves whole partitions out
        };
        return filter switch
        {
            { Ids.Count: > 0 } => new JobFilter { Ids = filter.Ids },
            { Batch: not null } => times with { Batch = filter.Batch },
            { Type: not null } when place.Table == "history_other" => times with { Type = filter.Type },
            { Queue: not null } when place.Table == "history_other" => times with { Queue = filter.Queue },
            _ when place.Table == "history_other" => times with { State = filter.State },
            _ => times,
        };
    }

    private async Task<long> CountAsync(Place place, JobFilter reach, NpgsqlConnection connection, CancellationToken ct)
    {
        var condition = new FilterSql(reach, database.Schema, 2, place.Ended);
        await using var command = Command("count_reached", place, condition.Text, connection, [Param.Of(MostReached + 1), .. condition.Parameters]);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task<Guid?> LastAsync(Place place, JobFilter reach, int most, JobId? below, NpgsqlConnection connection, CancellationToken ct)
    {
        var condition = new FilterSql(reach, database.Schema, 3, place.Ended);
        await using var command = Command("last_reached", place, Below(condition.Text, below, "$2"), connection,
            [Param.Of(most - 1), Param.Uuid(below?.Value), .. condition.Parameters]);
        return await command.ExecuteScalarAsync(ct) is Guid last ? last : null;
    }

    private async Task<List<JobInfo>> ReadAsync(
        Place place, JobFilter reach, string bound, int most, JobFilter filter, JobPage page, NpgsqlConnection connection, CancellationToken ct)
    {
        var reached = new FilterSql(reach, database.Schema, 4, place.Ended);
        var wanted = new FilterSql(filter, database.Schema, 4 + reached.Parameters.Count, place.Ended);
        await using var command = Command(place.Statement, place, bound == Newest ? Below(reached.Text, page.Below, "$3") : reached.Text, connection,
            [Param.Of(page.Limit), Param.Of(most), Param.Uuid(page.Below?.Value), .. reached.Parameters, .. wanted.Parameters]);
        command.CommandText = command.CommandText.Replace("{bound}", bound, StringComparison.Ordinal).Replace("{filter}", wanted.Text, StringComparison.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var jobs = new List<JobInfo>();
        while (await reader.ReadAsync(ct))
        {
            jobs.Add(QueryStore.Read(reader));
        }

        return jobs;
    }

    /// <summary>In the statement only where there is one, so that the index is entered there; the parameter is there in any case.</summary>
    private static string Below(string condition, JobId? below, string parameter) => below is null ? $"{parameter}::uuid is null and {condition}" : $"id < {parameter} and {condition}";

    private NpgsqlCommand Command(string statement, Place place, string reach, NpgsqlConnection connection, IEnumerable<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlCommand(
            database.Sql[statement].Replace("{table}", $"{database.Schema}.{place.Table}", StringComparison.Ordinal).Replace("{reach}", reach, StringComparison.Ordinal), connection);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private sealed record Place(string Statement, string Table, bool Ended);
}
