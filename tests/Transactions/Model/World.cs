using System.Runtime.CompilerServices;
using System.Text;
using Jobs.Transactions;

namespace Jobs.Tests.Transactions;

/// <summary>One transaction and everything around it. What is here is committed, or on its way.</summary>
internal sealed partial class World
{
    private const int Patience = 3000;
    private static readonly DateTimeOffset Deadline = DateTimeOffset.UnixEpoch.AddHours(1);

    private readonly Random _random;
    private readonly List<object> _messages = [];
    private readonly List<ModelAttempt> _attempts = [];
    private readonly List<string> _story = [];
    private readonly bool _tell;
    private bool _overdue;
    private bool _faults = true;
    private bool _inTurn;

    /// <param name="seed">Of the random order.</param>
    /// <param name="tell">Whether to write down what happens.</param>
    public World(int seed, bool tell)
    {
        (_random, _tell) = (new Random(seed), tell);
        var saga = Chance(0.5);
        Row = new TransactionRow
        {
            CorrelationId = Guid.CreateVersion7(),
            Name = "model",
            Mode = saga ? TransactionMode.Saga : TransactionMode.TwoPhase,
            State = "Running",
            Priority = 16,
            DeadlineAt = Deadline,
            LockedAt = Deadline.AddHours(-1),
        };
        var (stage, branches) = (1, _random.Next(1, 5));
        for (var n = 1; n <= branches; n++)
        {
            var first = stage == 1;
            var branch = new BranchRow
            {
                TransactionId = Row.CorrelationId,
                Number = n,
                Stage = stage,
                Kind = "model",
                Queue = "model",
                Compensated = !saga || Chance(0.8),
                State = first ? BranchState.Preparing : BranchState.Waiting,
                Round = first ? 1 : 0,
                Verb = first ? Verb.Prepare : null,
                Job = first ? Guid.CreateVersion7() : null,
                After = null,
            };
            Row.Branches.Add(branch);
            Participants.Add(new ModelParticipant(this, branch, saga && Chance(0.3)));
            if (branch.Job is { } job)
            {
                Jobs.Add(job, new ModelJob(job, n, 1, Verb.Prepare, null));
            }

            stage += saga && Chance(0.6) ? 1 : 0;
        }
    }

    public TransactionRow Row { get; private set; }

    public bool? Decision { get; private set; }

    public Dictionary<Guid, ModelJob> Jobs { get; } = [];

    /// <summary>How often each job was started, those that have ended too.</summary>
    public Dictionary<Guid, int> Started { get; } = [];

    public List<ModelParticipant> Participants { get; } = [];

    public int Turns { get; private set; }

    public int Parkings { get; private set; }

    public bool HasEnded => Row.EndedAt is not null;

    public string Story => string.Join(Environment.NewLine, _story);

    public static void Must(bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] Line otherwise)
    {
        if (!holds)
        {
            throw new InvalidOperationException(otherwise.ToString());
        }
    }

    public bool Chance(double share) => _random.NextDouble() < share;

    /// <summary>Something happens.</summary>
    public void Happen()
    {
        switch (_random.Next(20))
        {
            case < 5:
                Deliver();
                break;
            case < 14:
                Work();
                break;
            case 14:
                Kill();
                break;
            case 15:
                _overdue |= Chance(0.2);
                Look();
                break;
            case 16:
                Order();
                break;
            case 17 when _messages.Count > 0 && Chance(0.5):
                var lost = Take(_messages);
                Say($"lost: {lost}");
                break;
            case 18 when Jobs.Count > 0 && Chance(0.3):
                Cancel(Pick([.. Jobs.Values]), "by an operator");
                break;
            case 19 when Chance(0.15):
                Abort("operator");
                break;
        }
    }

    /// <summary>Others act while a turn is at work; none of them gets hold of its row.</summary>
    public void Meanwhile(ModelTurn turn)
    {
        while (_faults && Chance(0.35))
        {
            switch (_random.Next(12))
            {
                case < 9:
                    Work();
                    break;
                case < 11:
                    Kill();
                    break;
                default:
                    if (turn.Decided is null)
                    {
                        Abort("meanwhile");
                    }

                    break;
            }
        }
    }

    /// <summary>From here on nothing fails and messages flow: it must come to its end, and to the same one everywhere.</summary>
    public void Settle()
    {
        _faults = false;
        for (var n = 0; !HasEnded || _messages.Count + _attempts.Count + Jobs.Count > 0; n++)
        {
            Must(n < Patience, $"it hangs: {Row.State}, {string.Join(", ", Row.Branches.Select(b => $"{b.Number} {b.State}"))}");
            if (_messages.Count > 0 && Chance(0.5))
            {
                Deliver();
            }
            else if (!Work() && _messages.Count == 0)
            {
                _overdue |= n > Patience / 2;
                Look();
                Order();
            }
        }

        if (Chance(0.2))
        {
            ComeLate();
        }

        Must(Decision == (Row.State == "Committed"), $"it is {Row.State}, and the decision is {Decision}");
        foreach (var (participant, n) in Participants.Select((p, n) => (p, n + 1)))
        {
            var right = Decision == true ? participant.Truth == (Row.Mode == TransactionMode.Saga ? Truth.Done : Truth.Committed)
                : participant.Truth is Truth.Nothing or Truth.Undone || !participant.Compensated;
            Must(right, $"mixed: it is {Row.State}, and branch {n} is {participant.Truth}");
        }
    }

    /// <summary>What is said after the end changes nothing.</summary>
    private void ComeLate()
    {
        var (state, jobs) = (Row.State, Jobs.Count);
        var before = string.Join(", ", Row.Branches.Select(b => $"{b.State} {b.Round}"));
        foreach (var branch in Row.Branches)
        {
            _messages.Add(new BranchReported(Row.CorrelationId, branch.Number, branch.Round, Answer.Refused, "late"));
            _messages.Add(new TransactionOrdered(Row.CorrelationId, branch.Number, "late"));
        }

        _messages.AddRange([new TransactionTicked(Row.CorrelationId), new TransactionOrdered(Row.CorrelationId, null, null)]);
        while (_messages.Count > 0)
        {
            Deliver();
        }

        Must(state == Row.State && Jobs.Count == jobs && before == string.Join(", ", Row.Branches.Select(b => $"{b.State} {b.Round}")), $"something changes after its end");
    }

    /// <summary>A message comes to a coordinator: one turn.</summary>
    private void Deliver()
    {
        if (_messages.Count == 0)
        {
            return;
        }

        var message = Take(_messages);
        if (_faults && Chance(0.1))
        {
            _messages.Add(message);
        }

        var turn = new ModelTurn(this, Copy(Row));
        var ended = HasEnded;
        _inTurn = true;
        turn.HearAsync(message).GetAwaiter().GetResult();
        var jobs = turn.JobsAsync().GetAwaiter().GetResult();
        _inTurn = false;
        Turns++;
        if (_faults && Chance(0.08))
        {
            Say($"T4, nothing of it happened: {message}");
            _messages.Add(message);
            return;
        }

        if (turn.Decided is { } decided)
        {
            Must(Decision is null, $"it is decided twice");
            Must(!decided || Participants.TrueForAll(p => p.Truth == Truth.Done), $"it is decided to commit and not all have said yes");
            Decision = decided;
        }

        Must(turn.Row.Commit is null || turn.Row.Commit == Decision, $"a coordinator acts on another decision than the one that stands");
        Must(!ended || jobs.Count == 0, $"somebody is asked after its end");
        Parkings += Row.State != "Parked" && turn.Row.State == "Parked" ? 1 : 0;
        Row = turn.Row;
        foreach (var job in jobs)
        {
            Jobs.Add(job.Id, job);
        }

        Say($"{message} -> {Row.State}, decided {Decision}: {string.Join(", ", Row.Branches.Select(b => $"{b.Number} {b.State} r{b.Round}"))}");
        if (_faults && Chance(0.08))
        {
            Say($"T5, it comes again, and nothing is cancelled");
            _messages.Add(message);
            return;
        }

        foreach (var job in turn.Cancelled.Where(Jobs.ContainsKey))
        {
            Cancel(Jobs[job], "because it is aborted");
        }
    }

    /// <summary>The watch.</summary>
    private void Look()
    {
        if (_overdue && Row.State == "Running")
        {
            Abort("deadline");
        }

        if (!HasEnded)
        {
            _messages.Add(new TransactionTicked(Row.CorrelationId));
        }
    }

    /// <summary>Somebody other than a coordinator decides.</summary>
    private void Abort(string who)
    {
        if (Decision is null)
        {
            Say($"decided to abort: {who}");
            Decision = false;
            _messages.Add(new TransactionTicked(Row.CorrelationId));
        }
    }

    private void Order()
    {
        if (Row.Branches.FindAll(b => b.State == BranchState.Parked) is not { Count: > 0 } parked)
        {
            return;
        }

        if (Chance(0.5))
        {
            _messages.Add(new TransactionOrdered(Row.CorrelationId, null, null));
            return;
        }

        var branch = Pick(parked);
        Say($"done by hand: {branch.Verb} of {branch.Number}");
        Participants[branch.Number - 1].DoByHand(branch.Verb!.Value);
        _messages.Add(new TransactionOrdered(Row.CorrelationId, branch.Number, "by hand"));
    }

    private T Pick<T>(List<T> from) => from[_random.Next(from.Count)];

    private T Take<T>(List<T> from)
    {
        var n = _random.Next(from.Count);
        var taken = from[n];
        from.RemoveAt(n);
        return taken;
    }

    private void Say([InterpolatedStringHandlerArgument("")] Line what)
    {
        if (_tell)
        {
            _story.Add(what.ToString());
        }
    }

    private TransactionRow Copy(TransactionRow row)
    {
        var copy = new TransactionRow
        {
            CorrelationId = row.CorrelationId, Name = row.Name, Mode = row.Mode, State = row.State, Priority = row.Priority, DeadlineAt = row.DeadlineAt,
            DecidedAt = row.DecidedAt, EndedAt = row.EndedAt, Reason = row.Reason, LockedAt = Deadline.AddHours(_overdue ? 1 : -1),
        };
        copy.Recall();
        copy.Branches.AddRange(row.Branches.Select(b => new BranchRow
        {
            TransactionId = b.TransactionId, Number = b.Number, Stage = b.Stage, Kind = b.Kind, Queue = b.Queue, Compensated = b.Compensated, State = b.State, Round = b.Round, Verb = b.Verb, Job = b.Job,
            After = b.After, Answered = b.Answered, Reason = b.Reason, AskedAt = b.AskedAt, VotedAt = b.VotedAt, EndedAt = b.EndedAt,
        }));
        return copy;
    }

    /// <summary>Text that is only made if somebody wants it.</summary>
    [InterpolatedStringHandler]
    internal readonly struct Line
    {
        private readonly StringBuilder? _text;

        public Line(int literalLength, int formattedCount, World world, out bool wanted)
        {
            _ = (literalLength, formattedCount);
            wanted = world._tell;
            _text = wanted ? new StringBuilder() : null;
        }

        public Line(int literalLength, int formattedCount, bool holds, out bool wanted)
        {
            _ = (literalLength, formattedCount);
            wanted = !holds;
            _text = wanted ? new StringBuilder() : null;
        }

        public void AppendLiteral(string text) => _text!.Append(text);

        public void AppendFormatted<T>(T value) => _text!.Append(value);

        public override string ToString() => _text?.ToString() ?? "";
    }
}
