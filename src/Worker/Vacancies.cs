using Jobs.Coordination;

namespace Jobs.Worker;

/// <summary>
/// Room at the gates of limits that the ends of this worker's own jobs have left in one of its queues, while somebody waits there. Its claimer takes who is next, without a ticket: a slot of the worker has
/// become free by the same end. Whatever is not taken here is left to <see cref="Admissions"/>.
/// </summary>
internal sealed class Vacancies
{
    private readonly Lock _lock = new();
    private HashSet<string> _gates = [];
    private TaskCompletionSource _offered = New();
    private int _count;
    private bool _open;

    /// <summary>How many jobs have ended there.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Ends when there are some.</summary>
    public Task Offered
    {
        get
        {
            lock (_lock)
            {
                return _offered.Task;
            }
        }
    }

    /// <summary>From now on its claimer looks for them.</summary>
    public void Open()
    {
        lock (_lock)
        {
            _open = true;
        }
    }

    /// <summary>It does not any more.</summary>
    /// <returns>The gates that nobody has looked at.</returns>
    public string[] Close()
    {
        lock (_lock)
        {
            _open = false;
        }

        return Take().Gates;
    }

    /// <summary>So many jobs have ended, and somebody waits at these gates. False: no claimer is there to take them.</summary>
    public bool TryOffer(IReadOnlyCollection<string> gates, int ended)
    {
        lock (_lock)
        {
            if (!_open)
            {
                return false;
            }

            _gates.UnionWith(gates);
            Volatile.Write(ref _count, _count + ended);
            _offered.TrySetResult();
            return true;
        }
    }

    /// <summary>All that were offered since.</summary>
    public (string[] Gates, int Ended) Take()
    {
        lock (_lock)
        {
            var taken = ((string[])[.. _gates], _count);
            if (_count > 0)
            {
                (_gates, _offered) = ([], New());
                Volatile.Write(ref _count, 0);
            }

            return taken;
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
