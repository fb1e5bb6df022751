using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>What has come of an action so far.</summary>
internal sealed class ActTally(IReadOnlyList<JobId> asked)
{
    private readonly Dictionary<ActOutcome, long> _counts = [];
    private readonly Dictionary<JobId, ActAnswer> _answers = [];

    /// <summary>Those that were asked for by their ids and have no answer yet.</summary>
    public List<JobId> Unanswered() => [.. asked.Distinct().Where(i => !_answers.ContainsKey(i))];

    public void Add(JobId id, ActOutcome outcome, string words, JobId? life = null)
    {
        Count(outcome, 1);
        if (asked.Count > 0)
        {
            _answers.Add(id, new ActAnswer(id, outcome, words, life));
        }
    }

    public void Count(ActOutcome outcome, long count)
    {
        if (count > 0)
        {
            _counts[outcome] = _counts.GetValueOrDefault(outcome) + count;
        }
    }

    /// <summary>What a statement did; those it left are for the caller to look at.</summary>
    /// <returns>Those it left.</returns>
    public List<JobId> Add(Verb verb, ChangedPage page)
    {
        var left = new List<JobId>();
        foreach (var (id, change, life) in page.Jobs)
        {
            switch (change)
            {
                case Change.Done:
                    Add(id, ActOutcome.Done, life is null ? verb.Past : $"given a new life: {life}", life);
                    break;
                case Change.Requested:
                    Add(id, ActOutcome.Requested, "runs and was asked to stop");
                    break;
                case Change.Unchanged:
                    Add(id, ActOutcome.Unchanged, "is so already");
                    break;
                default:
                    left.Add(id);
                    break;
            }
        }

        return left;
    }

    /// <summary>Adds what has come of some of them.</summary>
    public void MoveTo(ActTally other)
    {
        foreach (var (id, outcome, words, life) in _answers.Values)
        {
            other.Add(id, outcome, words, life);
        }
    }

    public ActReport Report() => new(_counts, [.. asked.Select(i => _answers[i])]);
}
