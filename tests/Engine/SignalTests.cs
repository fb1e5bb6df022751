using Jobs.Coordination;
using Microsoft.Extensions.DependencyInjection;

namespace Jobs.Tests.Engine;

/// <summary>What the processes of an installation tell each other at once.</summary>
public sealed class SignalTests
{
    [Trait("Category", "Slow")]
    [Fact]
    public async Task Signal_reaches_every_process_of_its_installation_and_no_other()
    {
        await using var app = await TestApp.CreateAsync();
        await using var stranger = await TestApp.CreateAsync();
        var (one, two, other) = (Heard(await app.ProducerAsync()), Heard(await app.ProducerAsync()), Heard(await stranger.ProducerAsync()));
        await app.SqlAsync("select jobs.signal('word A,B')");
        await app.SqlAsync("select jobs.signal('words')");
        await app.SqlAsync("select jobs.signal('word')");
        await stranger.SqlAsync("select jobs.signal('word of its own')");
        foreach (var heard in new[] { one, two })
        {
            await app.SeeAsync(() => heard.Count == 2, "both signals");
            Assert.Equal(["A,B", ""], heard);
        }

        await app.SeeAsync(() => other.Count == 1, "its own signal");
        Assert.Equal(["of its own"], other);
    }

    [Fact]
    public async Task Outage_is_told_and_signals_are_heard_again_after_it()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.ProducerAsync(o => o.SessionTtl = TimeSpan.FromMinutes(10));
        var signals = host.Services.GetRequiredService<Signals>();
        Assert.True(signals.Listening);
        var (heard, again) = (Heard(host), Heard(host, Signals.Reconnected));
        using (signals.On("word", _ => throw new InvalidOperationException("a listener that fails")))
        {
            Assert.True(await app.ScalarAsync<bool>("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = (select lock_key from jobs.session)"));
            await app.SeeAsync(() => again.Count == 1, "it is told");
            await app.SqlAsync("select jobs.signal('word A')");
            await app.SeeAsync(() => heard.Count == 1, "the signal");
            await app.LoggedAsync(1206);
        }

        await app.SqlAsync("select jobs.signal('word B')");
        await app.SeeAsync(() => heard.Count == 2, "the next signal");
        Assert.Single(app.Log.Of(1206)); // who has left is not called
        Assert.False((await app.ProducerAsync(o => o.AdvisoryLocks = false)).Services.GetRequiredService<Signals>().Listening);
    }

    private static System.Collections.Concurrent.ConcurrentQueue<string> Heard(Microsoft.Extensions.Hosting.IHost host, string word = "word")
    {
        var heard = new System.Collections.Concurrent.ConcurrentQueue<string>();
        host.Services.GetRequiredService<Signals>().On(word, heard.Enqueue);
        return heard;
    }
}
