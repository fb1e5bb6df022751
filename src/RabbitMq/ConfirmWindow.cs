namespace Jobs.RabbitMq;

/// <summary>
/// The messages of one channel that are published but not confirmed, by sequence number. Written by the publishing loop, cleared by the client's
/// callbacks; bounded, so that the broker's pace becomes the publisher's.
/// </summary>
internal sealed class ConfirmWindow<T>(int size)
{
    private readonly Lock _gate = new();
    private readonly Slot[] _slots = new Slot[size];
    private ulong _next = 1;    // what the next message gets
    private ulong _lowest = 1;  // below it, all is confirmed
    private int _open;
    private TaskCompletionSource? _room;

    private record struct Slot(T Message, bool Open);

    public int Open => Volatile.Read(ref _open);

    /// <summary>When the last confirm came or the first message went into the empty window; a clock for the deadline.</summary>
    public long ProgressAt { get; private set; }

    /// <summary>Adds a message if there is room; otherwise <paramref name="room"/> ends when there is.</summary>
    public bool TryAdd(T message, long now, out Task room)
    {
        lock (_gate)
        {
            if (_next - _lowest >= (ulong)_slots.Length)
            {
                room = (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                return false;
            }

            if (_open++ == 0)
            {
                ProgressAt = now;
            }

            _slots[_next++ % (ulong)_slots.Length] = new Slot(message, Open: true);
            room = Task.CompletedTask;
            return true;
        }
    }

    /// <summary>Takes out what a confirm, positive or negative, speaks of.</summary>
    /// <returns>How many that were.</returns>
    public int Settle(ulong tag, bool multiple, long now, Action<T>? each = null)
    {
        TaskCompletionSource? room = null;
        int settled;
        lock (_gate)
        {
            ProgressAt = now;
            settled = _open;
            for (var n = multiple ? _lowest : tag; n <= tag && n < _next; n++)
            {
                ref var slot = ref _slots[n % (ulong)_slots.Length];
                if (n >= _lowest && slot.Open)
                {
                    each?.Invoke(slot.Message);
                    slot = default;
                    _open--;
                }
            }

            settled -= _open;
            while (_lowest < _next && !_slots[_lowest % (ulong)_slots.Length].Open)
            {
                _lowest++;
            }

            if (_next - _lowest < (ulong)_slots.Length)
            {
                (room, _room) = (_room, null);
            }
        }

        room?.SetResult();
        return settled;
    }

    /// <summary>All that is unconfirmed, in order; whoever waits for room is let go.</summary>
    public List<T> Abandon()
    {
        lock (_gate)
        {
            var left = new List<T>(_open);
            for (var n = _lowest; n < _next; n++)
            {
                if (_slots[n % (ulong)_slots.Length] is { Open: true } slot)
                {
                    left.Add(slot.Message);
                }
            }

            _open = 0;
            _room?.SetResult();
            _room = null;
            return left;
        }
    }
}
