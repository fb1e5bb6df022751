using System.Collections.Concurrent;
using System.Diagnostics;

namespace Jobs.Tests.Engine;

/// <summary>
/// Tests whose listeners hear the whole process: none of them runs beside any other test.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}

/// <summary>Records the spans of some sources from now on.</summary>
internal sealed class Spans : IDisposable
{
    private static readonly ActivitySource Own = new("Jobs.Tests");

    private readonly ConcurrentQueue<Activity> _ended = [];
    private readonly ActivityListener _listener;

    public Spans(params IEnumerable<string> sources)
    {
        var heard = sources.Append(Own.Name).ToHashSet();
        _listener = new ActivityListener
        {
            ShouldListenTo = s => heard.Contains(s.Name),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public IReadOnlyCollection<Activity> Ended => _ended;

    /// <summary>A span as an app has one when it calls.</summary>
    public static Activity Caller() => Own.StartActivity("request") ?? throw new InvalidOperationException("Nobody listens.");

    public IEnumerable<Activity> Of(string name) => _ended.Where(a => a.DisplayName == name);

    public async Task<Activity> OneAsync(string name) => Assert.Single(await ManyAsync(name, 1));

    public async Task<List<Activity>> ManyAsync(string name, int count) => await Eventually.SeeAsync(() => Task.FromResult(Of(name).ToList()), a => a.Count >= count,
        $"{count} spans \"{name}\" among {string.Join(", ", _ended.Select(a => a.DisplayName).Distinct())}");

    public void Dispose() => _listener.Dispose();
}
