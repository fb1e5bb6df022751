using Jobs.Postgres;

namespace Jobs.Tests.Engine;

/// <summary>What a worker does, statement by statement: for tests that need a step between two of them.</summary>
internal static class Claims
{
    /// <summary>Claims one job for a session that need not exist; empty when the guard says no.</summary>
    public static async Task<List<ClaimedJob>> ClaimAsync(this TestApp app, Guid session, JobId id, int dispatch = 1, string queue = "default", params string[] types)
    {
        var claimed = new List<ClaimedJob>();
        await app.Store.ClaimIfQueuedAsync(session, [id.Value], [dispatch], queue, types is [] ? ["test.work", "test.other"] : types, claimed, CancellationToken.None);
        return claimed;
    }

    public static async Task<int> SucceedAsync(this TestApp app, Guid session, JobId id, int attempt) =>
        (await app.Store.EndSucceededIfRunningAsync(session, [id.Value], [attempt], limited: false, CancellationToken.None)).Written;

    public static async Task<int> EndAsync(this TestApp app, Guid session, JobId id, int attempt, JobState state = JobState.Failed) =>
        (await app.Store.EndIfRunningAsync(session, [new EndedAttempt(id, attempt, state, null, """{"type": "x", "message": "y"}""")], CancellationToken.None)).Written;

    public static async Task<int> DeferAsync(this TestApp app, Guid session, JobId id, int attempt) =>
        (await app.Store.DeferIfRunningAsync(session, [new DeferredAttempt(id, attempt, TimeSpan.Zero, null)], CancellationToken.None)).Written;

    /// <summary>A session row as a process that died would have left it: nobody holds its lock.</summary>
    public static async Task<Guid> DeadSessionAsync(this TestApp app, bool locks = true)
    {
        var id = Guid.CreateVersion7();
        await app.SqlAsync("insert into jobs.session (id, lock_key, process_id, host, roles, queues, types) values ($1, $2, 1, 'dead/tests', '{worker}', '{}', '{}')",
            id, locks ? Random.Shared.NextInt64() : DBNull.Value);
        return id;
    }
}
