using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

/// <summary>What has really become of a branch.</summary>
internal enum Truth
{
    Nothing,
    /// <summary>Prepared, or the step is done.</summary>
    Done,
    Committed,
    /// <summary>Aborted, or compensated.</summary>
    Undone,
}

/// <summary>A participant as docs/TRANSACTIONS.md asks for one: it repeats itself, and refuses a lower fence than it has seen.</summary>
internal sealed class ModelParticipant(World world, BranchRow branch, bool forward)
{
    private long _fence;

    public Truth Truth { get; private set; }

    /// <summary>A step that is tried again until it is done, or parked.</summary>
    public bool Forward => forward;

    /// <summary>Declared in the plan: something has to make up for it.</summary>
    public bool Compensated { get; } = branch.Compensated;

    public int Stage => branch.Stage;

    /// <summary>What an operator says he has done, he has.</summary>
    public void DoByHand(Verb verb) => Truth = verb == Verb.Prepare ? Truth.Done : Truth.Undone;

    /// <summary>A call begins: may it, now?</summary>
    public void Check(Verb verb)
    {
        var others = world.Participants;
        switch (verb)
        {
            case Verb.Prepare:
                World.Must(Truth is Truth.Nothing or Truth.Done, $"branch {branch.Number} is asked to prepare and is {Truth}");
                World.Must(others.All(o => o.Stage >= Stage || o.Truth == Truth.Done), $"branch {branch.Number} begins before the stage before it is done");
                break;
            case Verb.Commit:
                World.Must(world.Decision == true, $"branch {branch.Number} is asked to commit and that is not decided");
                World.Must(Truth is Truth.Done or Truth.Committed, $"branch {branch.Number} is asked to commit and is {Truth}");
                break;
            default:
                World.Must(world.Decision == false, $"branch {branch.Number} is asked to abort and that is not decided");
                World.Must(Truth is not Truth.Committed, $"branch {branch.Number} is asked to abort and is committed");
                World.Must(others.All(o => o.Stage <= Stage || !o.Compensated || o.Truth != Truth.Done), $"branch {branch.Number} is compensated before the stage behind it is");
                break;
        }
    }

    /// <summary>The call does what it does, and answers; null: it throws.</summary>
    public Answer? Act(Verb verb, long fence, bool late)
    {
        if (fence < _fence)
        {
            World.Must(late, $"the fence of branch {branch.Number} went down");
            return null;
        }

        if (verb == Verb.Prepare && Truth == Truth.Nothing && world.Chance(0.12))
        {
            _fence = world.Chance(0.5) ? fence : _fence; // who refuses has nothing to write, and may leave no trace of it
            return Answer.Refused;
        }

        _fence = fence;
        switch (verb)
        {
            case Verb.Prepare:
                if (Truth == Truth.Nothing)
                {
                    Truth = Truth.Done;
                }

                World.Must(Truth == Truth.Done, $"branch {branch.Number} prepares and is {Truth}");
                return Answer.Done;
            case Verb.Commit:
                World.Must(Truth is Truth.Done or Truth.Committed, $"branch {branch.Number} commits and is {Truth}");
                Truth = Truth.Committed;
                return Answer.Done;
            default:
                World.Must(Truth != Truth.Committed, $"branch {branch.Number} aborts and is committed");
                Truth = Truth.Undone;
                return Answer.Done;
        }
    }
}

/// <summary>A job that has not ended.</summary>
internal sealed class ModelJob(Guid id, int branch, int round, Verb verb, Guid? after)
{
    public Guid Id => id;

    public int Branch => branch;

    public int Round => round;

    public Verb Verb => verb;

    public Guid? After => after;

    public int Attempt { get; set; }

    public bool Runs { get; set; }
}

/// <summary>A process at work on an attempt of a job.</summary>
internal sealed class ModelAttempt(ModelJob job, int number)
{
    public ModelJob Job => job;

    public int Number => number;

    public long Fence => ((long)job.Round << 32) | (uint)number;

    public Step Step { get; set; }

    /// <summary>It was taken for dead, and lives on.</summary>
    public bool Late { get; set; }

    public Answer Answer { get; set; }
}

internal enum Step
{
    Claimed,
    InCall,
    Answered,
    Sent,
}
