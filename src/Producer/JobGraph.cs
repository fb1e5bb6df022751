using Jobs.Coordination;
using Jobs.Postgres;

namespace Jobs;

/// <summary>
/// Jobs that wait for one another, enqueued together by <see cref="IJobClient.EnqueueGraphAsync(JobGraph, CancellationToken)"/>. At most 10,000 jobs. Not thread-safe.
/// </summary>
public sealed class JobGraph
{
    private const int MaxJobs = 10_000;
    private readonly List<JobNode> _nodes = [];

    /// <summary>Adds a job. Without further words it waits for nobody.</summary>
    /// <exception cref="ArgumentException">Its options name an id or a unique key; or the graph is full.</exception>
    public JobNode Add<TJob>(TJob job, EnqueueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(job);
        options ??= new EnqueueOptions();
        if (options.Id is not null || options.Unique is not null || JobType<TJob>.Unique is not null)
        {
            throw new ArgumentException("A job of a graph cannot have an id of the caller's or a unique key: others wait for it by its own id. Enqueue it alone and name it in After.", nameof(options));
        }

        if (_nodes.Count == MaxJobs)
        {
            throw new ArgumentException($"The graph has {MaxJobs:N0} jobs already, which is the most one transaction takes. Use a batch for large sets.", nameof(job));
        }

        var node = new JobNode(this, JobType<TJob>.Info.Type, options, (rows, with) => rows.Of(job, with));
        _nodes.Add(node);
        return node;
    }

    /// <summary>Parents before children.</summary>
    internal List<JobNode> InOrder()
    {
        var waits = _nodes.ToDictionary(n => n, n => n.Parents.Count);
        var children = _nodes.SelectMany(n => n.Parents.Keys, (child, parent) => (parent, child)).ToLookup(e => e.parent, e => e.child);
        var free = new Queue<JobNode>(_nodes.Where(n => waits[n] == 0));
        var ordered = new List<JobNode>(_nodes.Count);
        while (free.TryDequeue(out var node))
        {
            ordered.Add(node);
            node.Followed = children[node].Any();
            foreach (var child in children[node].Where(c => --waits[c] == 0))
            {
                free.Enqueue(child);
            }
        }

        return ordered.Count == _nodes.Count ? ordered : throw new ArgumentException($"The graph has a cycle, so none of its jobs could start first: {Cycle(waits)}. Take one of these edges out.");
    }

    private static string Cycle(Dictionary<JobNode, int> waits)
    {
        var path = new List<JobNode>();
        for (var node = waits.First(w => w.Value > 0).Key; ; node = node.Parents.Keys.First(p => waits[p] > 0)) // who still waits, waits for one who does
        {
            var seen = path.IndexOf(node);
            path.Add(node);
            if (seen >= 0)
            {
                return string.Join(" after ", path.Skip(seen).Select(n => n.ToString()));
            }
        }
    }
}

/// <summary>One job of a <see cref="JobGraph"/>.</summary>
public sealed class JobNode
{
    private readonly JobGraph _graph;
    private readonly string _type;
    private readonly EnqueueOptions _options;
    private readonly Func<Rows, EnqueueOptions, NewJob> _make;
    private readonly Dictionary<JobNode, Otherwise> _parents = [];

    internal JobNode(JobGraph graph, string type, EnqueueOptions options, Func<Rows, EnqueueOptions, NewJob> make) => (_graph, _type, _options, _make) = (graph, type, options, make);

    /// <summary>The id it has from the start.</summary>
    public JobId Id { get; } = JobId.New();

    internal IReadOnlyDictionary<JobNode, Otherwise> Parents => _parents;

    internal bool Followed { get; set; }

    /// <summary>It starts only when these have ended; it is cancelled if one of them does not succeed.</summary>
    /// <exception cref="ArgumentException">One of them belongs to another graph.</exception>
    public JobNode After(params IEnumerable<JobNode> parents)
    {
        ArgumentNullException.ThrowIfNull(parents);
        foreach (var parent in parents)
        {
            After(parent, Otherwise.Cancel);
        }

        return this;
    }

    /// <summary>It starts only when <paramref name="parent"/> has ended.</summary>
    /// <param name="parent">Another job of the same graph.</param>
    /// <param name="otherwise">What becomes of it if the parent does not succeed.</param>
    /// <exception cref="ArgumentException">The parent belongs to another graph.</exception>
    public JobNode After(JobNode parent, Otherwise otherwise)
    {
        ArgumentNullException.ThrowIfNull(parent);
        _parents[parent] = parent._graph == _graph ? otherwise : throw new ArgumentException($"{parent} belongs to another graph; name its id in EnqueueOptions.After once that one is enqueued.", nameof(parent));
        return this;
    }

    /// <summary>Adds a job that starts when this one has succeeded.</summary>
    /// <returns>The added job, so that chains read from left to right.</returns>
    public JobNode Then<TJob>(TJob job, EnqueueOptions? options = null) => _graph.Add(job, options).After(this);

    /// <summary>Its type and id.</summary>
    public override string ToString() => $"{_type} {Id}";

    internal NewJob Row(Rows rows)
    {
        var row = _make(rows, _options with { Id = Id, After = [.. _options.After, .. _parents.Select(p => new After(p.Key.Id, p.Value))] });
        return Followed ? row with { Ties = (row.Ties ?? new Ties()) with { Followed = true } } : row;
    }
}
