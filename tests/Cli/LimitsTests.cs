using System.Text.Json;
using Jobs.Tests.Engine;

namespace Jobs.Tests.Cli;

/// <summary>`jobs limits`, `jobs workers slots` and `jobs queues fair`.</summary>
public sealed class LimitsTests
{
    [Fact]
    public async Task Limit_is_set_changed_shown_and_removed()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.Equal(0, (await app.JsonAsync("limits", "list")).GetArrayLength());
        Assert.Contains("has no limits; set one: jobs limits set mail", (await app.RunAsync("limits", "list")).Out, StringComparison.Ordinal);

        var set = await app.JsonAsync("limits", "set", "api", "--type", "test.work", "--key", "text", "--slots", "3", "--rate", "100", "--per", "1m", "--burst", "5", "--by", "anna", "--reason", "their limit");
        Assert.Equal(["name", "queue", "type", "key", "slots", "rate", "origin", "setAt", "by", "reason", "held", "waiting", "paused", "gates"], Answer.Names(set));
        Assert.Equal("{\"tokens\":100,\"perSeconds\":60,\"algorithm\":\"token\",\"burst\":5,\"cost\":null}", set.GetProperty("rate").GetRawText());
        Assert.Equal(("operator", "anna", "their limit"), (Text(set, "origin"), Text(set, "by"), Text(set, "reason")));
        Assert.Equal(JsonValueKind.Null, set.GetProperty("gates").ValueKind);

        var changed = await app.JsonAsync("limits", "set", "api", "--slots", "none", "--algorithm", "sliding");
        Assert.Equal((JsonValueKind.Null, "sliding", "text"), (changed.GetProperty("slots").ValueKind, Text(changed.GetProperty("rate"), "algorithm"), Text(changed, "key")));
        var own = await app.JsonAsync("limits", "set", "api", "--for", "42", "--slots", "7", "--rate", "500");
        Assert.Equal("{\"name\":\"api\",\"key\":\"42\",\"slots\":7,\"tokens\":500}", own.GetRawText());
        var gate = (await app.JsonAsync("limits", "show", "api", "--key", "42")).GetProperty("gates")[0];
        Assert.Equal(["key", "slots", "rateTokens", "ownSlots", "ownTokens", "held", "holders", "waiting", "tokens", "nextAt", "pausedUntil", "pausedBy"], Answer.Names(gate));
        Assert.Equal((7, 500), (gate.GetProperty("ownSlots").GetInt32(), gate.GetProperty("ownTokens").GetInt32()));
        var line = (await app.RunAsync("limits", "list")).Out;
        Assert.Contains("type test.work, each text", line, StringComparison.Ordinal);
        Assert.Contains("100 in 60 s, sliding", line, StringComparison.Ordinal);

        Assert.True((await app.JsonAsync("limits", "remove", "api", "--key", "42")).GetProperty("removed").GetBoolean());
        Assert.False((await app.JsonAsync("limits", "remove", "api", "--key", "42")).GetProperty("removed").GetBoolean());
        Assert.Equal("{\"name\":\"api\",\"removed\":true,\"origin\":\"operator\"}", (await app.JsonAsync("limits", "remove", "api")).GetRawText());
        Assert.Equal(0, (await app.JsonAsync("limits", "list")).GetArrayLength());
    }

    [Fact]
    public async Task Who_holds_a_limit_and_who_waits_is_shown_and_a_pause_is_ended()
    {
        await using var app = await TestApp.CreateAsync();
        await app.JsonAsync("limits", "set", "one", "--queue", "default", "--slots", "1");
        var open = new TaskCompletionSource();
        var paused = false;
        await app.WorkerAsync(async (job, context, ct) =>
        {
            if (job.Number == 3 && !paused)
            {
                paused = true;
                return JobOutcome.RateLimited(TimeSpan.FromHours(1));
            }

            await open.Task.WaitAsync(ct);
            return JobOutcome.Succeeded;
        });
        var holder = await app.Jobs.EnqueueAsync(new Work(1));
        await app.InStateAsync(holder, JobState.Running);
        var waiter = await app.Jobs.EnqueueAsync(new Work(2));
        await app.InStateAsync(waiter, JobState.Blocked);
        var shown = await app.JsonAsync("limits", "show", "one");
        Assert.Equal((1, 1, 0), (shown.GetProperty("held").GetInt32(), shown.GetProperty("waiting").GetInt32(), shown.GetProperty("paused").GetInt32()));
        Assert.Equal($"[\"{holder}\"]", shown.GetProperty("gates")[0].GetProperty("holders").GetRawText());
        Assert.Contains($"{holder}", (await app.RunAsync("limits", "show", "one")).Out, StringComparison.Ordinal);
        open.SetResult();
        await app.EndedAsync(waiter);

        var told = await app.Jobs.EnqueueAsync(new Work(3));
        await Eventually.SeeAsync(() => app.JsonAsync("limits", "show", "one"), l => l.GetProperty("paused").GetInt32() == 1, "it is paused", app.Log.Tail);
        var gate = (await app.JsonAsync("limits", "show", "one")).GetProperty("gates")[0];
        Assert.Equal($"{told}", Text(gate, "pausedBy"));
        Assert.Equal("{\"name\":\"one\",\"resumed\":1}", (await app.JsonAsync("limits", "resume", "one")).GetRawText());
        Assert.Equal("{\"name\":\"one\",\"resumed\":0}", (await app.JsonAsync("limits", "resume", "one")).GetRawText());
        Assert.Equal(0, (await app.JsonAsync("limits", "show", "one")).GetProperty("paused").GetInt32());
    }

    [Fact]
    public async Task Wrong_limits_are_refused_in_words_and_nothing_is_written()
    {
        await using var app = await TestApp.CreateAsync();
        await app.RefusedAsync("set needs NAME", "limits", "set");
        await app.RefusedAsync("\"many\" is not a whole number", "limits", "set", "a", "--queue", "q", "--slots", "many");
        await app.RefusedAsync("-1", "limits", "set", "a", "--queue", "q", "--slots=-1");
        await app.RefusedAsync("The algorithm \"bucket\" does not exist; use one of token, leaky, fixed, sliding", "limits", "set", "a", "--queue", "q", "--rate", "1", "--algorithm", "bucket");
        await app.RefusedAsync("There is no rate for --per", "limits", "set", "a", "--queue", "q", "--slots", "1", "--per", "1m");
        await app.RefusedAsync("--rate none leaves no rate", "limits", "set", "a", "--queue", "q", "--rate", "none", "--burst", "3");
        await app.RefusedAsync("--queue is for the whole limit", "limits", "set", "a", "--for", "42", "--slots", "1", "--queue", "q");
        await app.RefusedAsync("it names no queue, no type and no key", "limits", "set", "a");
        await app.RefusedAsync("Unknown option \"--slot\"; did you mean --slots?", "limits", "set", "a", "--slot", "1");
        Assert.Equal(0, (await app.JsonAsync("limits", "list")).GetArrayLength());

        await app.JsonAsync("limits", "set", "customers", "--queue", "q", "--slots", "1");
        foreach (var verb in new[] { "show", "remove" })
        {
            var unknown = await app.RunAsync("limits", verb, "customer", "--json");
            Assert.Equal(1, unknown.Exit);
            Assert.Equal("There is no limit \"customer\"; did you mean customers?", Text(unknown.Json, "error"));
        }

        Assert.Equal(1, (await app.RunAsync("limits", "resume", "customer")).Exit);
        Assert.Equal(1, (await app.RunAsync("limits", "set", "customer", "--for", "42", "--slots", "1")).Exit);
    }

    [Fact]
    public async Task Slots_are_stored_for_all_workers_or_one_shown_and_cleared()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerRowAsync();
        Assert.Equal(0, (await app.JsonAsync("workers", "slots")).GetArrayLength());
        Assert.Equal("{\"name\":\"default\",\"pool\":false,\"worker\":null,\"slots\":9,\"workers\":1}", (await app.JsonAsync("workers", "slots", "default", "9", "--by", "anna", "--reason", "Friday")).GetRawText());
        Assert.Equal("{\"name\":\"default\",\"pool\":false,\"worker\":\"scene\",\"slots\":2,\"workers\":1}", (await app.JsonAsync("workers", "slots", "default", "2", "--worker", "scene")).GetRawText());
        Assert.Contains("once one runs", (await app.RunAsync("workers", "slots", "other", "2")).Out, StringComparison.Ordinal);
        var stored = await app.JsonAsync("workers", "slots");
        Assert.Equal(["name", "pool", "worker", "slots", "set"], Answer.Names(stored[0]));
        Assert.Equal(["default/2/scene", "default/9/", "other/2/"], stored.EnumerateArray().Select(s => $"{Text(s, "name")}/{s.GetProperty("slots")}/{Text(s, "worker")}").Order(StringComparer.Ordinal));
        Assert.Contains("Friday", (await app.RunAsync("workers", "slots")).Out, StringComparison.Ordinal);
        Assert.True((await app.JsonAsync("workers", "slots", "default", "--clear")).GetProperty("cleared").GetBoolean());
        Assert.False((await app.JsonAsync("workers", "slots", "default", "--clear")).GetProperty("cleared").GetBoolean());
        Assert.Equal(2, (await app.JsonAsync("workers", "slots")).GetArrayLength());

        await app.RefusedAsync("There is no queue to change", "workers", "slots", "--clear");
        await app.RefusedAsync("How many slots is default to have?", "workers", "slots", "default");
        await app.RefusedAsync("Both 3 and --clear were given", "workers", "slots", "default", "3", "--clear");
        await app.RefusedAsync("10001", "workers", "slots", "default", "10001");
        await app.RefusedAsync("\"few\" is not a whole number", "workers", "slots", "default", "few");
    }

    [Fact]
    public async Task Queue_is_made_fair_weighted_and_unfair_again()
    {
        await using var app = await TestApp.CreateAsync();
        Assert.Equal("{\"queue\":\"default\",\"key\":\"text\",\"off\":false,\"weights\":{\"acme\":3}}", (await app.JsonAsync("queues", "fair", "default", "--key", "text", "--weight", "acme=3")).GetRawText());
        Assert.Equal("text", await app.ScalarAsync<string>("select array_to_string(key, '.') from jobs.fair_queue where name = 'default'"));
        Assert.Contains("a=b is started 2 at a time", (await app.RunAsync("queues", "fair", "default", "--weight", "a=b=2")).Out, StringComparison.Ordinal);
        Assert.Equal("a=b: 2, acme: 3", await app.ScalarAsync<string>("select string_agg(value || ': ' || weight, ', ' order by value) from jobs.fair_weight where queue = 'default'"));
        Assert.True((await app.JsonAsync("queues", "fair", "default", "--off")).GetProperty("off").GetBoolean());
        Assert.Null(await app.ScalarAsync<string?>("select array_to_string(key, '.') from jobs.fair_queue where name = 'default'"));

        await app.RefusedAsync("fair needs QUEUE", "queues", "fair");
        await app.RefusedAsync("Nothing to set", "queues", "fair", "default");
        await app.RefusedAsync("--off ends it", "queues", "fair", "default", "--off", "--key", "text");
        await app.RefusedAsync("\"acme\" is not VALUE=N", "queues", "fair", "default", "--weight", "acme");
        await app.RefusedAsync("1001", "queues", "fair", "default", "--weight", "acme=1001");
        await app.RefusedAsync("a..b", "queues", "fair", "default", "--key", "a..b");
    }

    private static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();
}
