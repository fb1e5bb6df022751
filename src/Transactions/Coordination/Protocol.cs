namespace Jobs.Transactions;

/// <summary>The rules of the chart's arrows: what a message changes, and who is asked next.</summary>
internal static class Protocol
{
    /// <summary>T3: an answer counts if it is the first to what the branch was asked last.</summary>
    public static async Task HearAsync(TransactionRow row, BranchReported said, Turn turn, CancellationToken ct)
    {
        if (row.Branches.Find(b => b.Number == said.Branch) is not { IsAsked: true } branch || branch.Round != said.Round)
        {
            return;
        }

        (branch.Reason, branch.Answered) = (said.Reason ?? branch.Reason, said.Attempt);
        if (branch.Verb == Verb.Prepare)
        {
            branch.VotedAt = row.LockedAt;
        }

        switch (said.Answer, branch.Verb)
        {
            case (Answer.Done, Verb.Prepare):
                branch.State = BranchState.Prepared;
                break;
            case (Answer.Done, _):
                (branch.State, branch.EndedAt) = (branch.Verb == Verb.Commit ? BranchState.Committed : BranchState.Aborted, row.LockedAt);
                break;
            case (Answer.Refused, _):
                branch.State = BranchState.Refused;
                branch.Compensated &= row.Mode == TransactionMode.TwoPhase || !await WasOnlyAsync(branch, said, turn, ct); // a step that says no has done nothing
                break;
            case (Answer.Unfit, _):
                branch.State = BranchState.Refused;
                branch.Compensated &= !await WasOnlyAsync(branch, said, turn, ct);
                break;
            case (Answer.Failed, _):
                branch.State = BranchState.Refused;
                break;
            case (Answer.Stuck, _):
                branch.State = BranchState.Parked;
                break;
        }
    }

    /// <summary>Whether this answer is that of the only attempt there was. What others, before or after it, have done or will still do is not known.</summary>
    private static async Task<bool> WasOnlyAsync(BranchRow branch, BranchReported said, Turn turn, CancellationToken ct) =>
        (branch.Round, said.Attempt) == (1, 1) && await turn.WasLastAsync(branch.Job!.Value, said.Attempt, ct);

    /// <summary>Undecided: a no decides to abort, yes from all decides to commit. Else the next stage is asked, once the one before is done.</summary>
    public static async Task JudgeAsync(TransactionRow row, Turn turn, CancellationToken ct)
    {
        if (row.Commit is not null)
        {
            return;
        }

        if (row.Branches.Find(b => b.State == BranchState.Refused) is { } no)
        {
            await turn.DecideAsync(row, commit: false, $"Branch {no.Number} ({no.Kind}): {no.Reason}", ct);
        }
        else if (row.IsDone(BranchState.Prepared))
        {
            await turn.DecideAsync(row, commit: true, null, ct);
        }
        else
        {
            var stage = row.Branches.Where(b => b.State != BranchState.Prepared).Min(b => b.Stage);
            foreach (var branch in row.Branches.Where(b => b.Stage == stage && b.State == BranchState.Waiting))
            {
                turn.Ask(row, branch, Verb.Prepare);
            }
        }
    }

    /// <summary>Decided to commit: two phases ask, steps of a saga are done already.</summary>
    public static void AskToCommit(TransactionRow row, Turn turn)
    {
        foreach (var branch in row.Branches)
        {
            if (row.Mode == TransactionMode.TwoPhase)
            {
                turn.Ask(row, branch, Verb.Commit);
            }
            else
            {
                (branch.State, branch.EndedAt) = (BranchState.Committed, row.LockedAt);
            }
        }
    }

    /// <summary>Decided to abort: asks the last stage that is not undone, whoever of it has not been asked yet. Whoever was never asked to prepare has nothing to undo.</summary>
    public static void AskToAbort(TransactionRow row, Turn turn)
    {
        while (row.Branches.Where(b => b.State != BranchState.Aborted).Select(b => (int?)b.Stage).Max() is { } stage)
        {
            var left = row.Branches.Where(b => b.Stage == stage && b.State != BranchState.Aborted).ToList();
            foreach (var branch in left.Where(b => b.Verb != Verb.Abort))
            {
                if (branch.State == BranchState.Waiting || !branch.Compensated)
                {
                    turn.Forget(branch);
                    (branch.Round, branch.State, branch.EndedAt) = (branch.Round + 1, BranchState.Aborted, row.LockedAt); // what it was asked for is stale from here on
                }
                else
                {
                    turn.Ask(row, branch, Verb.Abort);
                }
            }

            if (left.Exists(b => b.State != BranchState.Aborted))
            {
                return;
            }
        }
    }

    /// <summary>An operator's order: parked branches are asked again, or count as done. One that was given for an earlier round is void: it comes late, or twice, and the branch was parked anew.</summary>
    public static void Obey(TransactionRow row, TransactionOrdered order, Turn turn)
    {
        var parkedAt = row.Commit is null && row.IsStuck ? row.Branches.Where(b => b.State == BranchState.Parked).Max(b => b.VotedAt) : null;
        foreach (var branch in row.Branches.Where(b => b.State == BranchState.Parked && (order.Branch is null || order.Branch == b.Number) && (order.Round is null || order.Round == b.Round)))
        {
            if (order.Reason is null)
            {
                turn.Ask(row, branch, branch.Verb!.Value);
                continue;
            }

            branch.Reason = order.Reason;
            if (branch.Verb == Verb.Prepare)
            {
                branch.State = BranchState.Prepared;
            }
            else
            {
                (branch.State, branch.EndedAt) = (BranchState.Aborted, row.LockedAt);
            }
        }

        if (parkedAt is { } since && !row.IsStuck)
        {
            row.DeadlineAt += row.LockedAt - since; // the time for which it was parked does not count: else it would be aborted at once
        }
    }
}
