namespace Jobs;

/// <summary>
/// Starts what outlives its caller. Nothing of the caller's context flows into it: not the span, as whose child hours of somebody else's work would appear otherwise, and no other
/// ambient value, which would be kept alive.
/// </summary>
internal static class Detached
{
    private static readonly ExecutionContext Clean = FindClean();

    /// <summary>Calls at once, on this thread, with an empty context; what the call starts has it too.</summary>
    public static void Call(ContextCallback call, object state) => ExecutionContext.Run(Clean, call, state);

    /// <summary>On the thread pool.</summary>
    public static Task Run(Func<Task> work)
    {
        if (ExecutionContext.IsFlowSuppressed())
        {
            return Task.Run(work, CancellationToken.None);
        }

        using (ExecutionContext.SuppressFlow())
        {
            return Task.Run(work, CancellationToken.None);
        }
    }

    /// <summary>A thread that nobody handed anything has it.</summary>
    private static ExecutionContext FindClean()
    {
        ExecutionContext? clean = null;
        var thread = new Thread(() => clean = ExecutionContext.Capture());
        thread.UnsafeStart();
        thread.Join();
        return clean!;
    }
}
