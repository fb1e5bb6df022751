using Jobs.Coordination;

namespace Jobs.Worker;

/// <summary>A pool as it was declared, in code or configuration.</summary>
/// <param name="Name">Its name, for people and for stored settings.</param>
/// <param name="Slots">How many handlers of its queues may run at once.</param>
/// <param name="Order">Which goes first.</param>
/// <param name="Queues">In the order that counts when it is strict.</param>
internal sealed record PoolSize(string Name, int Slots, PoolOrder Order, IReadOnlyList<(string Queue, int Weight)> Queues)
{
    public bool Same(PoolSize other) => Slots == other.Slots && Order == other.Order && Queues.SequenceEqual(other.Queues);
}

/// <summary>How many slots there are without what operators have stored: configuration over code.</summary>
internal sealed class SlotSizes
{
    public const int DefaultPool = 20;
    private const int MaxWeight = 1000;

    /// <summary>Slots by queue; one that is only in a pool has as many as the pool.</summary>
    public SortedDictionary<string, int> Queues { get; } = new(StringComparer.Ordinal);

    /// <summary>Those whose number is the pool's, whatever that is.</summary>
    public HashSet<string> Uncapped { get; } = new(StringComparer.Ordinal);

    public SortedDictionary<string, PoolSize> Pools { get; } = new(StringComparer.Ordinal);

    /// <summary>What is wrong with it, all of it.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>What code says, and over it what the configuration says now.</summary>
    public static SlotSizes Read(IReadOnlyDictionary<string, int> queues, IReadOnlyList<PoolSize> pools, Settings settings, int defaultSlots)
    {
        var sizes = new SlotSizes();
        foreach (var pool in pools.Where(p => !sizes.Pools.TryAdd(p.Name, p)))
        {
            sizes.Faults.Add($"WorkerOptions: the pool \"{pool.Name}\" is declared twice; give each a name of its own, or all queues to one.");
        }

        foreach (var section in settings.Children("Pools"))
        {
            sizes.ReadPool(section);
        }

        foreach (var (name, slots) in queues)
        {
            sizes.Queues[name] = slots;
        }

        foreach (var section in settings.Children("Queues"))
        {
            var name = new QueueName(section.Name).Value;
            if (section.OptionalNumber("Concurrency") is { } slots)
            {
                sizes.Queues[name] = slots;
            }
            else if (!sizes.Pools.Values.Any(p => p.Queues.Any(q => q.Queue == name)))
            {
                sizes.Queues.TryAdd(name, defaultSlots);
            }
        }

        foreach (var (queue, slots) in sizes.Pools.Values.SelectMany(p => p.Queues.Select(q => (q.Queue, p.Slots))))
        {
            if (sizes.Queues.TryAdd(queue, slots))
            {
                sizes.Uncapped.Add(queue);
            }
        }

        sizes.Check();
        return sizes;
    }

    /// <summary>How many slots a queue has; without a bound where only the pool has one.</summary>
    public int Of(string queue) => Uncapped.Contains(queue) ? int.MaxValue : Queues[queue];

    private void ReadPool(Settings section)
    {
        var coded = Pools.GetValueOrDefault(section.Name);
        try
        {
            var weights = section.Children("Weights").Select(w => (new QueueName(w.Name).Value, w.Whole())).ToList();
            var names = section.Children("Queues").Select(q => (new QueueName(q.Value ?? "").Value, 1)).ToList();
            var order = section.Word<PoolOrder>("Order") ?? (weights.Count > 0 ? PoolOrder.Weighted : names.Count > 0 ? PoolOrder.Strict : coded?.Order ?? PoolOrder.Strict);
            if (weights.Count > 0 && names.Count > 0)
            {
                Faults.Add($"WorkerOptions: {section.Path} has both Queues (an order) and Weights; keep one of them.");
            }

            IReadOnlyList<(string Queue, int Weight)> queues = weights.Count > 0 ? weights : names.Count > 0 ? names : coded?.Queues ?? [];
            Pools[section.Name] = new PoolSize(section.Name, section.Number("Slots", coded?.Slots ?? DefaultPool), order, queues);
        }
        catch (Exception e) when (e is JobsException or ArgumentException)
        {
            Faults.Add($"WorkerOptions: {section.Path}: {e.Message}");
        }
    }

    private void Check()
    {
        foreach (var (name, slots) in Queues.Where(q => q.Value is < 0 or > WorkerOptions.MaxConcurrency))
        {
            Faults.Add($"WorkerOptions: {slots} slots for queue \"{name}\" are not allowed; use 0 (nothing is taken) to {WorkerOptions.MaxConcurrency}.");
        }

        var pools = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pool in Pools.Values)
        {
            if (NameRule.Fault(pool.Name, "pool name") is { } fault)
            {
                Faults.Add($"WorkerOptions: {fault}");
            }

            if (pool.Slots is < 0 or > WorkerOptions.MaxConcurrency)
            {
                Faults.Add($"WorkerOptions: {pool.Slots} slots for pool \"{pool.Name}\" are not allowed; use 0 (nothing is taken) to {WorkerOptions.MaxConcurrency}.");
            }

            if (!Enum.IsDefined(pool.Order))
            {
                Faults.Add($"WorkerOptions: the order {pool.Order} of pool \"{pool.Name}\" is unknown; use one of {string.Join(", ", Enum.GetNames<PoolOrder>())}.");
            }

            if (pool.Queues.Count == 0)
            {
                Faults.Add($"WorkerOptions: pool \"{pool.Name}\" has no queue; name those that share it (configuration key Jobs:Worker:Pools:{pool.Name}:Queues:0, or :Weights:QUEUE).");
            }

            foreach (var (queue, weight) in pool.Queues)
            {
                if (!pools.TryAdd(queue, pool.Name))
                {
                    Faults.Add(pools[queue] == pool.Name ? $"WorkerOptions: queue \"{queue}\" is twice in pool \"{pool.Name}\"; name it once."
                        : $"WorkerOptions: queue \"{queue}\" is in the pools \"{pools[queue]}\" and \"{pool.Name}\"; a queue can be in one only.");
                }

                if (weight is < 1 or > MaxWeight)
                {
                    Faults.Add($"WorkerOptions: the weight {weight} of queue \"{queue}\" in pool \"{pool.Name}\" is not allowed; use 1 to {MaxWeight}.");
                }
            }
        }
    }
}
