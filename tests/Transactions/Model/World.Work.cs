using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

/// <summary>Its workers.</summary>
internal sealed partial class World
{
    /// <summary>A job is claimed, or a process at work on one does its next step. False: there is nothing to do.</summary>
    private bool Work()
    {
        var ready = Jobs.Values.Where(j => !j.Runs && (j.After is null || !Jobs.ContainsKey(j.After.Value))).ToList();
        if (ready.Count > 0 && (_attempts.Count == 0 || Chance(0.5)))
        {
            var job = Pick(ready);
            (job.Runs, job.Attempt) = (true, job.Attempt + 1);
            Started[job.Id] = job.Attempt;
            _attempts.Add(new ModelAttempt(job, job.Attempt));
            return true;
        }

        if (_attempts.Count == 0)
        {
            return false;
        }

        Go(Pick(_attempts));
        return true;
    }

    private void Go(ModelAttempt attempt)
    {
        var (job, participant) = (attempt.Job, Participants[attempt.Job.Branch - 1]);
        switch (attempt.Step)
        {
            case Step.Claimed when _inTurn && attempt.Number > 1:
                return; // it waits for the turn
            case Step.Claimed when Row.Branches[job.Branch - 1].Round != job.Round:
                End(attempt);
                break;
            case Step.Claimed when _faults && job.Verb == Verb.Prepare && !attempt.Late && Chance(0.02):
                (attempt.Answer, attempt.Step) = (Answer.Unfit, Step.Answered);
                break;
            case Step.Claimed when attempt.Late:
                attempt.Step = Step.InCall;
                break;
            case Step.Claimed:
                participant.Check(job.Verb);
                Must(!_attempts.Exists(a => a is { Late: false, Step: Step.InCall } && a.Job.Branch == job.Branch), $"two calls for branch {job.Branch} at once");
                attempt.Step = Step.InCall;
                break;
            case Step.InCall:
                Call(attempt, participant);
                break;
            case Step.Answered:
                if (!_faults || Chance(0.93))
                {
                    _messages.Add(new BranchReported(Row.CorrelationId, job.Branch, job.Round, attempt.Answer, $"by attempt {attempt.Number}", attempt.Number));
                }

                attempt.Step = Step.Sent;
                break;
            default:
                End(attempt);
                break;
        }
    }

    private void Call(ModelAttempt attempt, ModelParticipant participant)
    {
        var (job, saga) = (attempt.Job, Row.Mode == TransactionMode.Saga);
        var answer = _faults && Chance(0.1) ? null : participant.Act(job.Verb, attempt.Fence, attempt.Late);
        Say($"{job.Verb} r{job.Round} of {job.Branch}, attempt {attempt.Number}{(attempt.Late ? ", late" : "")}: {answer?.ToString() ?? "throws"}, {participant.Truth}");
        if (answer is null || (_faults && Chance(0.05)))
        {
            // It threw, maybe after it did its work: given up, tried again, or, its last attempt, over without an answer.
            answer = !_faults || Chance(0.6) || attempt.Late ? null
                : saga && job.Verb == Verb.Prepare && !participant.Forward ? Answer.Failed
                : saga && (job.Verb == Verb.Abort || participant.Forward) ? Answer.Stuck
                : null;
            if (answer is null)
            {
                Release(attempt);
                if (_faults && Chance(0.1) && !attempt.Late)
                {
                    Jobs.Remove(job.Id);
                }

                return;
            }
        }

        (attempt.Answer, attempt.Step) = (answer.Value, Step.Answered);
    }

    /// <summary>A worker dies, or is taken for dead and lives on: its job is given to another.</summary>
    private void Kill()
    {
        if (_attempts.FindAll(a => !a.Late) is { Count: > 0 } alive)
        {
            var attempt = Pick(alive);
            var late = Chance(0.5);
            Say($"{attempt.Job.Verb} r{attempt.Job.Round} of {attempt.Job.Branch}, attempt {attempt.Number}: {(late ? "taken for dead" : "killed")} at {attempt.Step}");
            Release(attempt);
            if (late)
            {
                attempt.Late = true;
                _attempts.Add(attempt);
            }
        }
    }

    private void Release(ModelAttempt attempt)
    {
        _attempts.Remove(attempt);
        attempt.Job.Runs &= attempt.Late;
    }

    private void End(ModelAttempt attempt)
    {
        _attempts.Remove(attempt);
        if (!attempt.Late)
        {
            Jobs.Remove(attempt.Job.Id);
        }
    }

    /// <summary>One that waits is gone; one that runs is stopped, wherever it is.</summary>
    private void Cancel(ModelJob job, string why)
    {
        Say($"{job.Verb} r{job.Round} of {job.Branch} is cancelled {why}");
        if (!job.Runs || Chance(0.7))
        {
            Jobs.Remove(job.Id);
            _attempts.RemoveAll(a => a.Job == job && !a.Late);
        }
    }
}
