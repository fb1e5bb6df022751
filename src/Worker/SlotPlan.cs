using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace Jobs.Worker;

/// <summary>
/// How many slots the queues and pools of this worker have, now: what operators have stored, over configuration, over code. Configuration that is reloaded and is wrong, or that would need a
/// restart, changes nothing and is logged.
/// </summary>
internal sealed class SlotPlan : IDisposable
{
    private readonly WorkerOptions _options;
    private readonly IConfiguration? _configuration;
    private readonly ILogger _log;
    private readonly Dictionary<string, Slots> _queues = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Pool> _pools = new(StringComparer.Ordinal);
    private readonly IDisposable? _reload;
    private volatile SlotSizes _sizes; // configuration over code
    private volatile IReadOnlyDictionary<(string Kind, string Name), SlotSetting> _stored = new Dictionary<(string, string), SlotSetting>();

    public SlotPlan(WorkerOptions options, ILogger<SlotPlan> log, IConfiguration? configuration = null)
    {
        (_options, _configuration, _log, _sizes) = (options, configuration, log, options.Sizes);
        foreach (var pool in _sizes.Pools.Values)
        {
            _pools[pool.Name] = new Pool(pool.Name, pool.Slots);
            foreach (var (queue, _) in pool.Queues.Where(q => !_queues.ContainsKey(q.Queue))) // in two pools: the start fails
            {
                _queues[queue] = new Slots(queue, _sizes.Of(queue), _pools[pool.Name]);
            }
        }

        foreach (var (queue, slots) in _sizes.Queues.Where(q => !_queues.ContainsKey(q.Key)))
        {
            _queues[queue] = new Slots(queue, slots, new Pool(null, int.MaxValue));
        }

        if (_sizes.Faults.Count == 0)
        {
            Order();
        }

        _reload = configuration is null ? null : ChangeToken.OnChange(configuration.GetReloadToken, Reload);
    }

    /// <summary>Is called when the configuration says something else: <see cref="Apply"/> it.</summary>
    public Action Changed { get; set; } = static () => { };

    public IEnumerable<Slots> Queues => _queues.Values.OrderBy(q => q.Queue, StringComparer.Ordinal);

    /// <summary>Their names.</summary>
    public string[] Pools => [.. _pools.Keys];

    public Slots Of(string queue) => _queues[queue];

    /// <summary>Nothing of it is taken, because it has no slots.</summary>
    public bool IsShut(string queue) => _queues.TryGetValue(queue, out var slots) && slots.Most == 0;

    /// <summary>From now on it is as stored and configured. Running handlers go on.</summary>
    public void Apply(IReadOnlyList<SlotSetting> stored)
    {
        _stored = stored.ToDictionary(s => (s.Kind, s.Name));
        foreach (var (name, pool) in _pools)
        {
            var (before, setting) = (pool.Size, _stored.GetValueOrDefault((SlotSetting.OfPool, name)));
            pool.Resize(setting?.Slots ?? _sizes.Pools[name].Slots);
            Say("pool", name, before, pool.Size, setting);
        }

        foreach (var (name, queue) in _queues)
        {
            var (before, setting) = (queue.Most, _stored.GetValueOrDefault((SlotSetting.OfQueue, name)));
            queue.Resize(setting?.Slots ?? _sizes.Of(name));
            Say("queue", name, before, queue.Most, setting);
        }
    }

    /// <summary>What the session says about it.</summary>
    public SlotReport Report() => new(
        [.. Queues.Select(q => new WorkerSlots(q.Queue, q.Most, q.Taken, q.Pool.Name, Setting(SlotSetting.OfQueue, q.Queue)))],
        [.. _pools.Values.OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => new WorkerPool(p.Name!, p.Size, p.Taken, p.IsWeighted ? PoolOrder.Weighted : PoolOrder.Strict,
            Setting(SlotSetting.OfPool, p.Name!)))]);

    public void Dispose() => _reload?.Dispose();

    private Requested? Setting(string kind, string name) => _stored.TryGetValue((kind, name), out var s) ? new Requested(s.At, s.By, s.Reason) : null;

    private void Say(string what, string name, int before, int now, SlotSetting? setting)
    {
        if (before != now)
        {
            _log.SlotsChanged(what, name, before, now, setting is null ? "the configuration" : $"{setting.By} ({setting.Reason ?? "no reason given"})");
        }
    }

    private void Order()
    {
        foreach (var pool in _sizes.Pools.Values)
        {
            _pools[pool.Name].Order(pool.Order == PoolOrder.Weighted, pool.Queues);
        }
    }

    private void Reload()
    {
        try
        {
            var (old, sizes) = (_sizes, _options.Read(new Settings(_configuration!.GetSection("Jobs:Worker"))));
            if (sizes.Faults.Count > 0)
            {
                _log.SlotsRefused(string.Join(" ", sizes.Faults));
                return;
            }

            if (!sizes.Queues.Keys.SequenceEqual(old.Queues.Keys) || !sizes.Pools.Keys.SequenceEqual(old.Pools.Keys)
                || sizes.Pools.Values.Any(p => !p.Queues.Select(q => q.Queue).Order(StringComparer.Ordinal).SequenceEqual(old.Pools[p.Name].Queues.Select(q => q.Queue).Order(StringComparer.Ordinal))))
            {
                _log.SlotsRefused("Which queues there are, and which are in a pool, changes at a restart only.");
                return;
            }

            if (sizes.Queues.SequenceEqual(old.Queues) && sizes.Pools.Values.All(p => p.Same(old.Pools[p.Name])))
            {
                return;
            }

            _sizes = sizes;
            Order();
            Changed();
        }
        catch (Exception e) when (e is JobsException or ArgumentException)
        {
            _log.SlotsRefused(e.Message);
        }
    }
}
