using System.Collections.Concurrent;

namespace Jobs.Tests.Faults;

/// <summary>What the test set out to enqueue, by number, and what it saw acknowledged: in this process, and in the files of producer processes.</summary>
internal sealed class Ledger(string folder)
{
    private const string Pattern = "*.ledger";
    private readonly ConcurrentDictionary<long, JobId?> _intended = new();
    private readonly ConcurrentDictionary<long, JobId> _acknowledged = new();
    private long _next = 1_000_000; // above the numbers of any producer process

    public long Next() => Interlocked.Increment(ref _next);

    /// <summary>Acknowledged in this process.</summary>
    public int Count => _acknowledged.Count;

    public void Intend(long n) => _intended[n] = null;

    public void Acknowledge(long n, JobId id) => Assert.True(_acknowledged.TryAdd(n, id));

    /// <summary>The file of a producer process and its successors.</summary>
    public string FileOf(string producer) => Path.Combine(folder, $"{producer}.ledger");

    public int CountOf(string producer) => LedgerFile.Read(FileOf(producer)).Acknowledged.Count;

    /// <summary>Everything, from everywhere.</summary>
    public (IReadOnlySet<long> Intended, IReadOnlyDictionary<long, JobId> Acknowledged) Read()
    {
        var intended = _intended.Keys.ToHashSet();
        var acknowledged = new Dictionary<long, JobId>(_acknowledged);
        foreach (var file in Directory.EnumerateFiles(folder, Pattern))
        {
            var (tried, returned) = LedgerFile.Read(file);
            intended.UnionWith(tried.Keys);
            foreach (var (n, id) in returned)
            {
                acknowledged.Add(n, id);
            }
        }

        return (intended, acknowledged);
    }
}
