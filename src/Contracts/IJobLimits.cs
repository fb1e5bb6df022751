namespace Jobs;

/// <summary>Limits on how many jobs run at once, or start in a time, in the whole installation.</summary>
/// <remarks>Bad values throw <see cref="ArgumentException"/> that names the value and what is allowed; nothing is written then.</remarks>
public interface IJobLimits
{
    /// <summary>Sets a limit, or changes the one with this name. Every claim that is made after this has returned keeps it. What runs already is counted, and goes on.</summary>
    Task SetAsync(JobLimit limit, Act? act = null, CancellationToken ct = default);

    /// <summary>Removes a limit. Those that it held back go on.</summary>
    /// <returns>False: there is no such limit.</returns>
    Task<bool> RemoveAsync(string name, CancellationToken ct = default);
}
