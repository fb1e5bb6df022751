namespace Jobs.Worker;

/// <summary>Which attempt the code that runs just now belongs to: what follows the handler through its awaits and the tasks that it starts.</summary>
internal sealed class CurrentAttempt
{
    private readonly AsyncLocal<Attempt?> _attempt = new();

    /// <summary>Set in an asynchronous method, it holds until that has returned.</summary>
    public Attempt? Value
    {
        get => _attempt.Value;
        set => _attempt.Value = value;
    }
}
