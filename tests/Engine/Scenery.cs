namespace Jobs.Tests.Engine;

/// <summary>Processes and their work as rows, for tests that look at a scene in which nobody moves.</summary>
internal static class Scenery
{
    /// <summary>A process whose last heartbeat was so many seconds ago. Nobody runs that would clear it away.</summary>
    public static async Task<Guid> ProcessAsync(this TestApp app, string role, string queues = "{}", string[]? types = null, double silentSeconds = 0, string host = "scene/tests")
    {
        var id = Guid.CreateVersion7();
        await app.SqlAsync("""
            insert into jobs.session (id, process_id, host, roles, queues, types, heartbeat_at)
            values ($1, 7, $2, array[$3], $4::text::jsonb, $5, now() + interval '1 hour' * $6 - $7 * interval '1 second')
            """, id, host, role, queues, types ?? ["test.work", "test.other"], silentSeconds == 0 ? 1.0 : 0.0, silentSeconds); // one that is alive stays so for the whole test
        return id;
    }

    public static Task<Guid> WorkerRowAsync(this TestApp app, int slots = 4, string queue = "default", params string[] types) =>
        app.ProcessAsync("worker", $$"""{"{{queue}}": {{slots}}}""", types is [] ? null : types);

    /// <summary>A scheduler that leads.</summary>
    public static async Task<Guid> LeaderRowAsync(this TestApp app)
    {
        var id = await app.ProcessAsync("scheduler");
        await app.SqlAsync("""
            insert into jobs.leader (name, session, epoch, until) values ('scheduler', $1, 1, now() + interval '1 hour')
            on conflict (name) do update set session = excluded.session, until = excluded.until
            """, id);
        return id;
    }

    /// <summary>Tells those that wait for these ended jobs, as whoever ended them would.</summary>
    public static async Task ReleaseAsync(this TestApp app, params JobId[] ended)
    {
        var (queued, _) = await app.Ties.ReleaseFollowersAsync([.. ended.Select(e => e.Value)], CancellationToken.None);
        Assert.Empty(queued);
    }
}
