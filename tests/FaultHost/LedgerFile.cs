namespace Jobs.Tests.FaultHost;

/// <summary>
/// What a producer was going to enqueue and what it saw acknowledged, in a file that the next process goes on with: lines <c>? N [ID]</c> before a call
/// and <c>! N ID</c> right after it returned.
/// </summary>
internal sealed class LedgerFile : IDisposable
{
    private readonly LineFile _file;

    /// <param name="path">The file.</param>
    /// <param name="first">The number below the first job's.</param>
    public LedgerFile(string path, long first)
    {
        var (intended, acknowledged) = Read(path);
        Last = intended.Keys.Append(first).Max();
        Unknown = [.. from i in intended where i.Value is not null && !acknowledged.ContainsKey(i.Key) select (i.Key, i.Value!.Value)];
        _file = new LineFile(path);
    }

    /// <summary>The highest number that was ever intended.</summary>
    public long Last { get; }

    /// <summary>Jobs with an id of the producer's own whose call did not return before the process died.</summary>
    public IReadOnlyList<(long N, JobId Id)> Unknown { get; }

    public void Intend(long n, JobId? id = null) => _file.Append($"? {n} {id}");

    public void Acknowledge(long n, JobId id) => _file.Append($"! {n} {id}");

    public void Dispose() => _file.Dispose();

    public static (Dictionary<long, JobId?> Intended, Dictionary<long, JobId> Acknowledged) Read(string path)
    {
        var intended = new Dictionary<long, JobId?>();
        var acknowledged = new Dictionary<long, JobId>();
        foreach (var line in LineFile.Read(path))
        {
            var parts = line.Split(' ');
            if (parts[0] == "!")
            {
                acknowledged.Add(long.Parse(parts[1]), JobId.Parse(parts[2]));
            }
            else
            {
                intended[long.Parse(parts[1])] = parts[2].Length == 0 ? null : JobId.Parse(parts[2]);
            }
        }

        return (intended, acknowledged);
    }
}
