using System.Reflection;

namespace Jobs.Worker;

/// <summary>How a handler with a result is run. It is registered like any other, so whether it is one is found out here, once.</summary>
internal static class TypedResult
{
    /// <summary>Null: the handler gives no result.</summary>
    public static Func<THandler, TJob, JobContext, CancellationToken, Task<JobOutcome>>? Of<TJob, THandler>()
    {
        var typed = Array.Find(typeof(THandler).GetInterfaces(),
            i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IJobHandler<,>) && i.GenericTypeArguments[0].IsAssignableFrom(typeof(TJob)));
        return typed is null ? null : typeof(TypedResult).GetMethod(nameof(RunAsync), BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(typeof(TJob), typeof(THandler), typed.GenericTypeArguments[1])
            .CreateDelegate<Func<THandler, TJob, JobContext, CancellationToken, Task<JobOutcome>>>();
    }

    private static async Task<JobOutcome> RunAsync<TJob, THandler, TResult>(THandler handler, TJob job, JobContext context, CancellationToken ct)
        where THandler : IJobHandler<TJob, TResult> =>
        await handler.HandleAsync(job, context, ct) is { } result ? new JobOutcome.Done(result, typeof(TResult)) : JobOutcome.Succeeded;
}
