namespace Jobs.Worker;

/// <summary>
/// The slots of one queue in this process: how many of its handlers may run at once. Their number may change while some are taken: after it was lowered none is given until fewer are taken than there
/// are. They also count in the queue's <see cref="Pool"/>. One claimer takes them, anybody gives them back. Taking a batch costs one lock, and so does giving one back.
/// </summary>
internal sealed class Slots
{
    /// <summary>Tickets that the broker may push ahead for a queue whose turn comes last.</summary>
    private const int Behind = 4;

    private TaskCompletionSource? _turn; // its claimer waits
    private TaskCompletionSource? _idle; // somebody waits until none is taken
    private int _taken;
    private int _drawing; // taken for tickets that are in the buffer still
    private bool _active; // has tickets, or may have some; otherwise others need not wait for it
    private long _grants;
    private bool _asks;   // its claimer wants some now

    public Slots(string queue, int size, Pool pool)
    {
        (Queue, Size, Pool) = (queue, size, pool);
        pool.Add(this);
    }

    public string Queue { get; }

    public Pool Pool { get; }

    /// <summary>Room at the gates of limits that its ends have left.</summary>
    public Vacancies Vacancies { get; } = new();

    /// <summary>How many tickets are in the queue's buffer, and vacancies beside them.</summary>
    public Func<int> Buffered { get; set; } = static () => 0;

    /// <summary>How many handlers may run at once, whatever else the pool holds.</summary>
    public int Most => Math.Min(Size, Pool.Size);

    /// <summary>How many are taken.</summary>
    public int Taken => Volatile.Read(ref _taken);

    /// <summary>How many of its handlers run when all queues of the pool are busy: what the prefetch goes by.</summary>
    public int Share => Math.Min(Most, Pool.ShareOf(this) ?? Behind);

    /// <summary>Its weight in the pool; 0: it goes by the pool's order.</summary>
    internal int Weight { get; set; }

    /// <summary>Of a weighted pool: how much it was given so far, in parts of its weight. Who has the least is next.</summary>
    internal long Given { get; set; }

    /// <summary>A calculation of the pool's.</summary>
    internal (int Left, long Given) Scratch { get; set; }

    internal int Size { get; private set; }

    internal bool Waits => _turn is { Task.IsCompleted: false };

    /// <summary>How many it would take now. Only under the pool's lock.</summary>
    internal int Wanted => _active ? Math.Min(Size - _taken, Math.Max(_asks ? 1 : 0, Buffered() - _drawing)) : 0;

    /// <summary>Whether it waits for a turn in its pool, and has had none since <paramref name="grants"/>, which it counts.</summary>
    public bool IsStarved(ref long grants)
    {
        lock (Pool.Gate)
        {
            var starved = Pool.IsShared && Waits && grants == _grants;
            grants = _grants;
            return starved;
        }
    }

    /// <summary>Takes as many as there are tickets in the buffer and as its turn in the pool allows, at least one; waits for that.</summary>
    public async ValueTask<int> TakeAsync(int most, CancellationToken ct)
    {
        while (true)
        {
            Task turn;
            lock (Pool.Gate)
            {
                ct.ThrowIfCancellationRequested();
                if (!_active)
                {
                    _active = true;
                    Pool.Enter(this);
                }

                _asks = true;
                if (Pool.GrantOf(this, most) is > 0 and var granted)
                {
                    Pool.Give(this, granted);
                    (_asks, _turn, _taken, _drawing, _grants) = (false, null, _taken + granted, granted, _grants + 1);
                    return granted;
                }

                turn = (_turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            try
            {
                await turn.WaitAsync(ct);
            }
            catch (OperationCanceledException)
            {
                Rest();
                throw;
            }
        }
    }

    /// <summary>The tickets for those taken last are out of the buffer: what is in there now is more.</summary>
    public void Drawn()
    {
        if (Pool.IsShared)
        {
            lock (Pool.Gate)
            {
                _drawing = 0;
                Pool.Call();
            }
        }
        else
        {
            _drawing = 0; // read by its own claimer only
        }
    }

    /// <summary>Its claimer waits for tickets, or has failed: nobody need wait for it.</summary>
    public void Rest()
    {
        lock (Pool.Gate)
        {
            (_active, _asks, _turn, _drawing) = (false, false, null, 0);
            Pool.Call();
        }
    }

    public void Release(int count = 1)
    {
        lock (Pool.Gate)
        {
            _taken -= count;
            Pool.TakeBack(count);
            if (_taken == 0)
            {
                _idle?.TrySetResult();
            }

            Pool.Call();
        }
    }

    /// <summary>From now on there are so many. What runs goes on.</summary>
    public void Resize(int size)
    {
        lock (Pool.Gate)
        {
            Size = size;
            Pool.Call();
        }
    }

    /// <summary>Ends when none is taken (true) or at <paramref name="giveUp"/> (false). Only when nobody takes any more.</summary>
    public async Task<bool> WaitIdleAsync(CancellationToken giveUp)
    {
        Task idle;
        lock (Pool.Gate)
        {
            if (_taken == 0)
            {
                return true;
            }

            idle = (_idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        await idle.WaitAsync(giveUp).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return idle.IsCompleted;
    }

    /// <summary>Its turn may have come: it looks. Only under the pool's lock.</summary>
    internal void Call() => _turn?.TrySetResult();
}
