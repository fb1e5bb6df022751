using FileIndex.Demo;

namespace Bank.Demo;

/// <summary>How far a run is.</summary>
internal sealed record Snapshot(long Committed, long Aborted, long UnderWay, long Trips, int Kills, int Samples, int Uneven, Sample? Money)
{
    public long Ended => Committed + Aborted;
}

/// <summary>Shows a run while it goes on.</summary>
internal abstract class View
{
    private static readonly TimeSpan RateOver = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time = TimeProvider.System;
    private readonly long _began;
    private readonly Queue<(long At, long Ended)> _recent = [];

    protected View() => _began = _time.GetTimestamp();

    public enum Kind
    {
        Plain,
        Good,
        Bad,
    }

    protected TimeSpan Elapsed => _time.GetElapsedTime(_began);

    /// <summary>Transfers ended a second, lately.</summary>
    protected double Rate { get; private set; }

    /// <summary>Something happened.</summary>
    public abstract void Say(string what, Kind kind = Kind.Plain);

    /// <summary>Something goes on.</summary>
    public void Show(Snapshot now, long transfers, IReadOnlyList<ChildProcess> children)
    {
        var at = _time.GetTimestamp();
        _recent.Enqueue((at, now.Ended));
        while (_recent.Count > 2 && _time.GetElapsedTime(_recent.Peek().At, at) > RateOver)
        {
            _recent.Dequeue();
        }

        var (since, ended) = _recent.Peek();
        Rate = at == since ? 0 : (now.Ended - ended) / _time.GetElapsedTime(since, at).TotalSeconds;
        Draw(now, transfers, children);
    }

    /// <summary>Runs the whole thing.</summary>
    public virtual Task WhileAsync(Func<Task> run) => run();

    protected abstract void Draw(Snapshot now, long transfers, IReadOnlyList<ChildProcess> children);
}

/// <summary>For pipes, files and CI: what happens, and a line every two seconds, on stderr.</summary>
internal sealed class PlainView : View
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(2);
    private TimeSpan _next = Every;

    public override void Say(string what, Kind kind = Kind.Plain) => Console.Error.WriteLine($"{Elapsed.TotalSeconds,6:F1} s  {what}");

    protected override void Draw(Snapshot now, long transfers, IReadOnlyList<ChildProcess> children)
    {
        if (Elapsed >= _next)
        {
            _next = Elapsed + Every;
            Say($"{now.Ended:N0} of {transfers:N0} transfers ended, {now.Aborted:N0} of them aborted, {now.UnderWay:N0} under way, {Rate:N0}/s; {now.Trips:N0} trips; {now.Kills} kills"
                + (now.Money is { } money ? $"; money {Money.Text(money.Total)}" : ""));
        }
    }
}
