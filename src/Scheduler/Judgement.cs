using Jobs.Coordination.Recurring;
using Jobs.Postgres;

namespace Jobs.Scheduler;

/// <summary>What is to become of the occurrences of a schedule since its watermark, by its rules. Looks at nothing but what it is given.</summary>
internal sealed class Judgement
{
    /// <summary>An occurrence that is recorded later than this was missed by an outage.</summary>
    public static readonly TimeSpan Outage = TimeSpan.FromSeconds(60);

    /// <summary>More are judged in another pass, so that the end of a long outage holds the row and the memory for a moment only.</summary>
    public const int MostSlots = 25_000;

    private readonly ScheduleRow _schedule;
    private readonly Queue<(DateTimeOffset At, int Number)> _caughtUp = [];
    private readonly List<DateTimeOffset> _onTime = [];
    private readonly Dictionary<string, Verdict> _skipped = [];

    private int _number;

    private Judgement(ScheduleRow schedule) => _schedule = schedule;

    /// <param name="schedule">The row, locked.</param>
    /// <param name="occurrences">Its instants.</param>
    /// <param name="previous">The state of its newest job, if the rule for overlaps asks for it; null: it has ended.</param>
    public static Pass Of(ScheduleRow schedule, Occurrences occurrences, JobState? previous) => new Judgement(schedule).Pass(occurrences, previous);

    private Pass Pass(Occurrences occurrences, JobState? previous)
    {
        var (now, watermark) = (_schedule.Now, _schedule.RecordedTo);
        var to = _schedule.IsPaused && _schedule.PausedAt < now ? _schedule.PausedAt.Value : now;
        var most = MostSlots;
        foreach (var slot in occurrences.After(watermark).TakeWhile(s => s.At <= to))
        {
            if (_number > most && now - slot.At > Outage)
            {
                if (!_caughtUp.TryPeek(out var oldest) || oldest.Number > most / 2)
                {
                    return Unfinished(occurrences, oldest.Number > 0 ? oldest.At : slot.At);
                }

                most *= 2; // nearly all are skipped for other reasons: stopping here would not get on
            }

            Judge(slot, now);
        }

        var (enqueued, cancel) = Overlapping([.. _caughtUp.Select(c => c.At), .. _onTime], previous);
        var next = _schedule.IsPaused ? null : occurrences.Next(to > watermark ? to : watermark);
        return new Pass(to, next, [.. _skipped.Values.Concat(enqueued).OrderBy(v => v.At)], cancel, PauseEnds: _schedule.ResumedAt is not null, More: false);
    }

    private void Judge(Slot slot, DateTimeOffset now)
    {
        _number++;
        if (slot.Skip is { } reason)
        {
            Skip(slot.At, reason);
        }
        else if (slot.At > _schedule.PausedAt && slot.At <= (_schedule.ResumedAt ?? now))
        {
            Skip(slot.At, _schedule.PausedBy is { } by ? $"paused by {by}" : "paused");
        }
        else if (now - slot.At <= Outage)
        {
            _onTime.Add(slot.At);
        }
        else
        {
            _caughtUp.Enqueue((slot.At, _number));
            if (_caughtUp.Count > _schedule.CatchUp)
            {
                Skip(_caughtUp.Dequeue().At, "missed while no scheduler ran");
            }
        }
    }

    /// <summary>Only what comes before <paramref name="rest"/>, all of which is too old to be among the latest; the others are judged again by the next pass.</summary>
    private Pass Unfinished(Occurrences occurrences, DateTimeOffset rest)
    {
        var part = new Judgement(_schedule with { CatchUp = 0 });
        foreach (var slot in occurrences.After(_schedule.RecordedTo).TakeWhile(s => s.At < rest))
        {
            part.Judge(slot, _schedule.Now);
        }

        return new Pass(rest.AddMicroseconds(-1), DateTimeOffset.MinValue, [.. part._skipped.Values.OrderBy(v => v.At)], null, PauseEnds: false, More: true);
    }

    private void Skip(DateTimeOffset at, string reason) =>
        _skipped[reason] = _skipped.TryGetValue(reason, out var before) ? before with { Until = at, Count = before.Count + 1 } : new Verdict(at, at, 1, null, reason);

    private (IEnumerable<Verdict> Verdicts, JobId? Cancel) Overlapping(List<DateTimeOffset> due, JobState? previous)
    {
        var last = previous is null ? (JobId?)null : new JobId(_schedule.LastJob!.Value);
        switch (_schedule.Overlap)
        {
            case Overlap.Skip:
                var first = due.FindIndex(_ => last is null);
                foreach (var at in due.Where((_, i) => i != first))
                {
                    Skip(at, last is { } running ? $"job {running} of the run before has not ended" : "the run before was enqueued in the same moment");
                }

                return ([.. due.Where((_, i) => i == first).Select(At)], null);

            case Overlap.CancelPrevious:
                foreach (var at in due.SkipLast(1))
                {
                    Skip(at, "the next one was due as well, and cancels the one before");
                }

                return ([.. due.TakeLast(1).Select(At)], due.Count > 0 ? last : null);

            case Overlap.Queue:
                var chain = new List<Verdict>();
                foreach (var at in due)
                {
                    chain.Add(At(at) with { After = last });
                    last = chain[^1].Job;
                }

                return (chain, null);

            default:
                return ([.. due.Select(At)], null);
        }
    }

    private static Verdict At(DateTimeOffset at) => new(at, at, 1, JobId.New(), null);
}
