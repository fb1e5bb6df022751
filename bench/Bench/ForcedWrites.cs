using Npgsql;

namespace Jobs.Bench;

/// <summary>What the server counts, of all databases. Its processes report what they did when their connections end, so those are closed before each look.</summary>
internal static class ForcedWrites
{
    public static async Task<Counted> LookAsync(IEnumerable<NpgsqlDataSource> sources)
    {
        foreach (var source in sources)
        {
            source.Clear();
        }

        await Task.Delay(TimeSpan.FromSeconds(1.2)); // what stays open reports once a second
        await using var connection = await Servers.OpenAsync();
        await using var command = new NpgsqlCommand(Sql.Read(connection.PostgreSqlVersion.Major >= 18 ? "forced_writes_18" : "forced_writes", ""), connection);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new Counted(reader.GetInt64(0), reader.GetInt64(1));
    }
}

/// <param name="Syncs">Forced writes of the log.</param>
/// <param name="Commits">Commits, also of what only read.</param>
internal sealed record Counted(long Syncs, long Commits)
{
    public static Counted operator -(Counted a, Counted b) => new(a.Syncs - b.Syncs, a.Commits - b.Commits);
}
