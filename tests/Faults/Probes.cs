namespace Jobs.Tests.Faults;

/// <summary>The tables of <see cref="Probe"/>: outside of the platform, so that what it says of itself is not taken for the truth.</summary>
internal static class Probes
{
    public static Task MakeProbesAsync(this Arena arena, string key, int slots) => MakeProbesAsync(arena, [key], slots);

    public static Task MakeProbesAsync(this Arena arena, IEnumerable<string> keys, int slots) => arena.AskAsync<object>("""
        create table jobs.probe_slot (key text, n integer, primary key (key, n));
        create table jobs.probe_fault (key text, id uuid, at timestamptz);
        create table jobs.probe_start (id uuid, key text, at timestamptz);
        """ + $"insert into jobs.probe_slot select k, n from unnest('{{{string.Join(',', keys)}}}'::text[]) k, generate_series(1, {slots}) n");

    /// <summary>Nobody ever ran beside as many as were allowed, and nothing is held when nothing runs.</summary>
    public static async Task AssertNoFaultAsync(this Arena arena)
    {
        Assert.Equal(0, await arena.CountAsync("jobs.probe_fault"));
        Assert.Equal(0, await arena.AskAsync<long>("select coalesce(sum(abs(jobs.held(g))), 0)::bigint from jobs.gate g"));
        Assert.Equal(0, await arena.CountAsync("jobs.gate where waiting"));
    }
}
