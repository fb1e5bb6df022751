namespace Jobs.Worker;

/// <summary>
/// Slots that several queues share; a queue of its own has one to itself, without a bound. Whose turn it is goes by the order of the queues, or by their weights. Only queues that have tickets in
/// their buffer take part, so no slot is kept free for one that has nothing to run. A queue whose claimer is just claiming and has more in its buffer keeps its turn.
/// </summary>
internal sealed class Pool(string? name, int size)
{
    private const long Unit = 1L << 32;

    private readonly List<Slots> _queues = [];
    private int _size = size;
    private int _taken;
    private long _given; // what the one that was given a slot last had been given before it: where one begins that had nothing to run

    /// <summary>What holds all its numbers together, and those of its queues.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Null: it is one queue's own.</summary>
    public string? Name => name;

    public int Size => Volatile.Read(ref _size);

    public int Taken => Volatile.Read(ref _taken);

    public bool IsWeighted { get; private set; }

    /// <summary>Several queues are in it.</summary>
    public bool IsShared => _queues.Count > 1;

    public void Resize(int slots)
    {
        lock (Gate)
        {
            Volatile.Write(ref _size, slots);
            Call();
        }
    }

    /// <summary>From now on the turn goes by this: the queues in their order, or their weights.</summary>
    public void Order(bool weighted, IReadOnlyList<(string Queue, int Weight)> order)
    {
        lock (Gate)
        {
            var places = order.Select((o, at) => (o.Queue, at)).ToDictionary(o => o.Queue, o => o.at, StringComparer.Ordinal);
            _queues.Sort((a, b) => places[a.Queue].CompareTo(places[b.Queue]));
            _queues.ForEach(q => (q.Weight, q.Given) = (order[places[q.Queue]].Weight, 0));
            (IsWeighted, _given) = (weighted, 0);
            Call();
        }
    }

    internal void Add(Slots queue) => _queues.Add(queue);

    /// <summary>How many slots a queue has when all are busy; null: what others leave.</summary>
    internal int? ShareOf(Slots queue)
    {
        lock (Gate)
        {
            return !IsShared ? Size
                : IsWeighted ? (int)Math.Ceiling((double)Size * queue.Weight / _queues.Sum(q => q.Weight))
                : _queues[0] == queue ? Size : null;
        }
    }

    /// <summary>It has something to run again: what it was not given meanwhile is not made up for.</summary>
    internal void Enter(Slots queue) => queue.Given = Math.Max(queue.Given, _given);

    /// <summary>How many a queue may take now; it waits if that is none.</summary>
    internal int GrantOf(Slots queue, int most)
    {
        var free = Size - _taken;
        if (!IsShared)
        {
            return Math.Min(free, Math.Min(queue.Wanted, most));
        }

        if (IsWeighted)
        {
            return WeightedGrantOf(queue, free, most);
        }

        foreach (var other in _queues)
        {
            if (other == queue)
            {
                break;
            }

            free -= Math.Max(0, other.Wanted);
        }

        return Math.Min(free, Math.Min(queue.Wanted, most));
    }

    internal void Give(Slots queue, int count)
    {
        Volatile.Write(ref _taken, _taken + count);
        if (IsWeighted)
        {
            _given = Math.Max(_given, queue.Given + ((count - 1) * (Unit / queue.Weight)));
            queue.Given += count * (Unit / queue.Weight);
        }
    }

    internal void TakeBack(int count) => Volatile.Write(ref _taken, _taken - count);

    /// <summary>Has those look again whose turn has come.</summary>
    internal void Call()
    {
        foreach (var queue in _queues)
        {
            if (queue.Waits && GrantOf(queue, 1) > 0)
            {
                queue.Call();
            }
        }
    }

    /// <summary>Gives the free slots one by one, on paper, each to the queue that has been given the least, and sees how many this one gets.</summary>
    private int WeightedGrantOf(Slots queue, int free, int most)
    {
        foreach (var each in _queues)
        {
            each.Scratch = (each.Wanted, each.Given);
        }

        var granted = 0;
        for (; free > 0 && granted < most && queue.Scratch.Left > 0; free--)
        {
            Slots? next = null;
            foreach (var each in _queues)
            {
                if (each.Scratch.Left > 0 && (next is null || each.Scratch.Given < next.Scratch.Given))
                {
                    next = each;
                }
            }

            next!.Scratch = (next.Scratch.Left - 1, next.Scratch.Given + (Unit / next.Weight));
            granted += next == queue ? 1 : 0;
        }

        return granted;
    }
}
