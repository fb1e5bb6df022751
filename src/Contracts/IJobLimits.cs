namespace Jobs;

/// <summary>Limits on how many jobs run at once, or start in a time, in the whole installation.</summary>
/// <remarks>Bad values throw <see cref="ArgumentException"/> that names the value and what is allowed; nothing is written then.</remarks>
public interface IJobLimits
{
    /// <summary>Sets a limit, or changes the one with this name. Every claim that is made after this has returned keeps it. What runs already is counted, and goes on.</summary>
    Task SetAsync(JobLimit limit, Act? act = null, CancellationToken ct = default);

    /// <summary>
    /// Removes a limit, with the numbers of its keys. Those that it held back go on. One that an app declares, in code or by configuration, is set again when that app starts next; so this is also how to
    /// return to what is declared after <see cref="SetAsync"/> has overridden it.
    /// </summary>
    /// <returns>False: there is no such limit.</returns>
    Task<bool> RemoveAsync(string name, CancellationToken ct = default);

    /// <summary>
    /// Gives one value of the limit's key numbers of its own, in place of the limit's: one customer may have more than the others. They stay until they are cleared, until the limit is removed, or until its key
    /// is another one. The first slots of a limit that has none count what runs.
    /// </summary>
    /// <param name="name">A limit that has a key.</param>
    /// <param name="keyValue">The value, as it stands in the arguments. At most 1,000 characters.</param>
    /// <param name="slots">0 to 1,000,000; null: as the limit says.</param>
    /// <param name="tokens">Over 0, up to 1,000,000 a second: in the period of the limit's rate; null: as the limit says.</param>
    /// <param name="ct">Ends the call.</param>
    /// <exception cref="JobsException">There is no such limit.</exception>
    Task SetKeyAsync(string name, string keyValue, int? slots = null, double? tokens = null, CancellationToken ct = default);

    /// <summary>The limit's numbers hold for this value of its key again.</summary>
    /// <returns>False: it had none of its own.</returns>
    /// <exception cref="JobsException">There is no such limit.</exception>
    Task<bool> ClearKeyAsync(string name, string keyValue, CancellationToken ct = default);

    /// <summary>Ends a pause before its time, of all of the limit's gates or of that of one value of its key.</summary>
    /// <returns>How many were paused.</returns>
    /// <exception cref="JobsException">There is no such limit.</exception>
    Task<int> ResumeAsync(string name, string? keyValue = null, CancellationToken ct = default);

    /// <summary>Every limit by name, with what it holds and holds back. <see cref="LimitInfo.Gates"/> is empty.</summary>
    Task<IReadOnlyList<LimitInfo>> ListAsync(CancellationToken ct = default);

    /// <summary>One limit with its busiest gates, or with that of one value of its key. It reads all live jobs once, so it is for people and not for loops.</summary>
    /// <param name="name">The limit.</param>
    /// <param name="keyValue">Only this value of its key; null: the busiest.</param>
    /// <param name="most">So many gates. 1 to 1,000.</param>
    /// <param name="ct">Ends the call.</param>
    /// <returns>Null: there is no such limit.</returns>
    Task<LimitInfo?> GetAsync(string name, string? keyValue = null, int most = 10, CancellationToken ct = default);
}
