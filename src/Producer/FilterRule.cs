namespace Jobs.Producer;

/// <summary>The rule for filters: what cannot match anything, or what the database would choke on.</summary>
internal static class FilterRule
{
    private const int MaxIds = 1000;
    private const int MaxTags = 20;
    private const int MaxFields = 20;
    private const int MaxText = 1000;

    private static readonly DateTimeOffset FirstTime = DateTimeOffset.UnixEpoch;
    private static readonly DateTimeOffset LastTime = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>What is wrong with it; null: nothing.</summary>
    public static string? Fault(JobFilter filter) => Faults(filter).FirstOrDefault();

    private static IEnumerable<string> Faults(JobFilter filter)
    {
        if (filter.Ids.Count > MaxIds)
        {
            yield return $"The filter names {filter.Ids.Count} jobs; at most {MaxIds} are allowed in one call.";
        }

        if (filter.Tags.Count > MaxTags)
        {
            yield return $"The filter has {filter.Tags.Count} tags; at most {MaxTags} are allowed.";
        }

        if (filter.Where.Count > MaxFields)
        {
            yield return $"The filter has {filter.Where.Count} fields of the arguments; at most {MaxFields} are allowed.";
        }

        if (filter.Type is { } type && NameRule.Fault(type, "job type") is { } fault)
        {
            yield return fault;
        }

        if (filter.Error is "")
        {
            yield return "The text to look for in errors is empty; leave it out to have all jobs.";
        }

        foreach (var field in filter.Where.Keys.Where(f => f.Split('.').Contains("")))
        {
            yield return $"The field \"{field}\" of the arguments is not allowed; write its name, or a path like customer.id.";
        }

        foreach (var text in filter.Tags.Append(filter.Error ?? "").Concat(filter.Where.Keys).Concat(filter.Where.Values))
        {
            if (text is null || text.Length > MaxText || text.Contains('\0', StringComparison.Ordinal) || !NameRule.IsUnicode(text))
            {
                yield return $"A text of the filter is not allowed; use at most {MaxText} characters, none of them NUL or half of a surrogate pair.";
            }
        }

        foreach (var (what, from, to) in new[] { ("enqueued", filter.EnqueuedFrom, filter.EnqueuedTo), ("ended", filter.EndedFrom, filter.EndedTo) })
        {
            foreach (var time in new[] { from, to }.OfType<DateTimeOffset>().Where(t => t < FirstTime || t >= LastTime))
            {
                yield return $"The time {time:O} is not allowed; use a time from 1970 to 2199.";
            }

            if (from >= to)
            {
                yield return $"The filter wants jobs {what} from {from:O} on and before {to:O}, which is none; turn the two around.";
            }
        }
    }
}
