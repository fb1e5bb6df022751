using Npgsql;
using NpgsqlTypes;

namespace Jobs.Postgres;

/// <summary>
/// A filter as the condition of a statement, on columns without a table's name. Only what is set is in it, so that the planner sees which index serves it; the values are parameters.
/// </summary>
internal sealed class FilterSql
{
    /// <summary>How far the clock that made an id may be off from the database's; wider, and a list by time would begin with that much of other jobs.</summary>
    public static readonly TimeSpan ClockSlack = TimeSpan.FromMinutes(1);

    /// <summary>Escapes that Postgres takes as JSON but cannot make text of: one such job must not fail the search.</summary>
    private const string BadEscapes = @"\\u0000|\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F](?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F][0-9a-fA-F])\\u[dD][c-fC-F]";

    private readonly List<string> _conditions = [];
    private readonly List<NpgsqlParameter> _parameters = [];
    private readonly int _first;

    /// <param name="filter">What is wanted.</param>
    /// <param name="schema">Of the installation.</param>
    /// <param name="first">The number of its first parameter: how many the statement has of its own, and one.</param>
    /// <param name="ended">On history; otherwise on live jobs.</param>
    public FilterSql(JobFilter filter, string schema, int first, bool ended)
    {
        _first = first;
        if (filter.Ids.Count > 0)
        {
            Add("id = any({0})", Param.Of(filter.Ids.Select(i => i.Value).ToArray()));
        }

        if (filter.Queue is { } queue)
        {
            Add("queue = {0}", Param.Of(queue.Value));
        }

        if (filter.Type is { } type)
        {
            Add("type = {0}", Param.Of(type));
        }

        if (filter.State is { } state)
        {
            Add($"state = {{0}}::text::{schema}.state", Param.Of(Words.Of(state)));
        }

        if (filter.Tags.Count > 0)
        {
            Add("tags @> {0}", Param.Of(filter.Tags.ToArray()));
        }

        if (filter.Batch is { } batch)
        {
            Add("batch = {0}", Param.Of(batch.Value));
        }

        AddTimes(filter, ended);
        if (filter.Error is { } error)
        {
            Add("strpos(lower(coalesce(errors -> -1 ->> 'type', '') || ': ' || coalesce(errors -> -1 ->> 'message', '')), lower({0})) > 0", Param.Of(error));
        }

        foreach (var (field, value) in filter.Where)
        {
            Add("case when strpos(args::text, '\\u') = 0 or args::text !~ '" + BadEscapes + "' then args #>> {0} = {1} else false end", Param.Of(field.Split('.')), Param.Of(value));
        }
    }

    /// <summary>The condition; "true" when the filter is empty.</summary>
    public string Text => _conditions.Count == 0 ? "true" : string.Join(" and ", _conditions);

    public IReadOnlyList<NpgsqlParameter> Parameters => _parameters;

    private void AddTimes(JobFilter filter, bool ended)
    {
        // The id tells when a job was made, which an index knows.
        if (filter.EnqueuedFrom is { } from)
        {
            Add("enqueued_at >= {0}", Time(from));
            Add("id >= {0}", Param.Of(JobId.Least(from - ClockSlack).Value));
        }

        if (filter.EnqueuedTo is { } to)
        {
            Add("enqueued_at < {0}", Time(to));
            Add("id < {0}", Param.Of(JobId.Least(to + ClockSlack).Value));
        }

        if (filter.EndedFrom is { } endedFrom)
        {
            if (ended)
            {
                Add("ended_at >= {0}", Time(endedFrom));
            }
            else
            {
                _conditions.Add("false");
            }
        }

        if (filter.EndedTo is { } endedTo)
        {
            if (ended)
            {
                Add("ended_at < {0}", Time(endedTo));
            }
            else
            {
                _conditions.Add("false");
            }
        }
    }

    private void Add(string condition, params ReadOnlySpan<NpgsqlParameter> values)
    {
        var numbers = new object[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            numbers[i] = $"${_first + _parameters.Count}";
            _parameters.Add(values[i]);
        }

        _conditions.Add(string.Format(System.Globalization.CultureInfo.InvariantCulture, condition, numbers));
    }

    private static NpgsqlParameter Time(DateTimeOffset time) => new() { Value = time.ToUniversalTime(), NpgsqlDbType = NpgsqlDbType.TimestampTz };
}
