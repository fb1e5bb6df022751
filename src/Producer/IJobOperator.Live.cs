namespace Jobs;

public partial interface IJobOperator
{
    /// <summary>
    /// Pauses a queue: from the return of this call on no claim of one of its jobs begins, on any machine; jobs whose claim had begun, and those that run, finish. New jobs may be
    /// enqueued, and wait. It is a row in Postgres: it outlives every restart. Workers give the queue's tickets back to the broker within a second. Paused anew, the newest order counts.
    /// </summary>
    /// <param name="queue">The queue; it need not exist yet.</param>
    /// <param name="until">When it goes on by itself, by the database clock; null: when it is resumed.</param>
    /// <param name="act">By whom and why.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <exception cref="ArgumentException">A value of <paramref name="act"/> is longer than 200 characters.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="until"/> is not after now, by this machine's clock.</exception>
    Task PauseQueueAsync(QueueName queue, DateTimeOffset? until = null, Act? act = null, CancellationToken ct = default);

    /// <summary>Ends a pause. Workers go on with the queue within a second.</summary>
    /// <returns>False: it was not paused, or no longer.</returns>
    Task<bool> ResumeQueueAsync(QueueName queue, CancellationToken ct = default);

    /// <summary>
    /// Has a worker take no more jobs, finish those it runs, however long that takes, and then stop its host, with all its roles. Told twice, the first order stands. There is no
    /// way back: start another one.
    /// </summary>
    /// <param name="session">Its id, from <see cref="SessionsAsync"/>.</param>
    /// <param name="act">By whom and why.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <exception cref="JobsException">There is no such process, or it runs no jobs.</exception>
    /// <exception cref="ArgumentException">A value of <paramref name="act"/> is longer than 200 characters.</exception>
    Task DrainAsync(Guid session, Act? act = null, CancellationToken ct = default);

    /// <summary>
    /// A queued job of this queue gains a level of priority each time it has waited for <paramref name="each"/> more, up to 31, so that none is starved by more urgent ones. The
    /// bound, and what it costs, is in docs/OPERATIONS.md.
    /// </summary>
    /// <param name="queue">The queue; it need not exist yet.</param>
    /// <param name="each">1 s to 7 days, whole seconds. Null: priorities stay as they are from now on.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="each"/> is out of range.</exception>
    Task SetAgeingAsync(QueueName queue, TimeSpan? each, CancellationToken ct = default);

    /// <summary>
    /// Has the jobs of a queue started in turn of the values of a key, so that nobody who floods it delays the others: within a level of priority each value that has something waiting is
    /// served one job a round, or as many as its weight says. Jobs whose arguments have no such key share one turn. What waits already takes part from the return of this call on. The bound,
    /// and what it costs, is in docs/FAIRNESS.md.
    /// </summary>
    /// <param name="queue">The queue; it need not exist yet.</param>
    /// <param name="key">A path into the arguments as they stand in the JSON, with dots into objects: <c>tenantId</c>. Null: no more; what waits is still served in turn, new jobs come after their tickets.</param>
    /// <param name="ct">Stops it; the leading scheduler finishes what was begun.</param>
    /// <exception cref="ArgumentException"><paramref name="key"/> is no path.</exception>
    Task SetFairnessAsync(QueueName queue, string? key, CancellationToken ct = default);

    /// <summary>How many jobs of a value are started in its turn, from the next claim on.</summary>
    /// <param name="queue">A fair queue.</param>
    /// <param name="value">A value of its key, as text.</param>
    /// <param name="weight">1 to 1,000. Default 1.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="weight"/> is out of range.</exception>
    /// <exception cref="JobsException">The queue is not fair.</exception>
    Task SetFairWeightAsync(QueueName queue, string value, int weight, CancellationToken ct = default);

    /// <summary>
    /// Gives a queue so many slots in each worker, or in one: how many of its handlers may run there at once. In force within a second, over configuration and code, and in workers that start later,
    /// until it is cleared. Fewer than run: those that run go on, and none is started until fewer run. Set anew, the newest order counts; of several for one worker, the most particular one:
    /// its session, its program on its machine, its machine, all.
    /// </summary>
    /// <param name="queue">The queue; workers without it are not touched.</param>
    /// <param name="slots">0 to 10,000. With 0 nothing of it is started there, and its tickets are left to other workers.</param>
    /// <param name="worker">A session's id from <see cref="SessionsAsync"/>, which holds as long as that session; or MACHINE/APP (<see cref="SessionInfo.Host"/>), or MACHINE. Null: all workers.</param>
    /// <param name="act">By whom and why.</param>
    /// <param name="ct">Cancels the call.</param>
    /// <exception cref="ArgumentException">A value is out of range or too long.</exception>
    /// <exception cref="JobsException">There is no such session, or it is no worker.</exception>
    Task SetSlotsAsync(QueueName queue, int slots, string? worker = null, Act? act = null, CancellationToken ct = default);

    /// <summary>As <see cref="SetSlotsAsync"/>, for a pool that several queues share (<c>WorkerOptions.Pool</c>).</summary>
    /// <inheritdoc cref="SetSlotsAsync"/>
    Task SetPoolSlotsAsync(string pool, int slots, string? worker = null, Act? act = null, CancellationToken ct = default);

    /// <summary>Forgets what <see cref="SetSlotsAsync"/> has stored under the same <paramref name="worker"/>: the next particular setting counts, or configuration and code.</summary>
    /// <returns>False: nothing was stored.</returns>
    Task<bool> ClearSlotsAsync(QueueName queue, string? worker = null, CancellationToken ct = default);

    /// <summary>Forgets what <see cref="SetPoolSlotsAsync"/> has stored under the same <paramref name="worker"/>.</summary>
    /// <returns>False: nothing was stored.</returns>
    Task<bool> ClearPoolSlotsAsync(string pool, string? worker = null, CancellationToken ct = default);

    /// <summary>All numbers of slots that are stored, whether or not a worker that they name runs. What is in force in one is in <see cref="SessionInfo.Slots"/>.</summary>
    Task<IReadOnlyList<StoredSlots>> StoredSlotsAsync(CancellationToken ct = default);
}
