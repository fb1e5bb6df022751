using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Jobs.Tests.Engine;

/// <summary>Limits that apps declare in their code and by configuration.</summary>
public sealed class LimitDeclarationTests
{
    private static readonly Dictionary<string, string?> Configured = new()
    {
        ["Jobs:Limits:api:Type"] = "crm.sync", ["Jobs:Limits:api:Key"] = "customer.id", ["Jobs:Limits:api:Slots"] = "3", ["Jobs:Limits:api:Tokens"] = "2.5", ["Jobs:Limits:api:PerSeconds"] = "60",
        ["Jobs:Limits:api:Algorithm"] = "slidingWindow", ["Jobs:Limits:api:Cost"] = "size", ["Jobs:Limits:both:Queue"] = "other", ["Jobs:Limits:both:Slots"] = "9",
    };

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Declared_limits_are_set_when_a_process_of_any_role_starts_and_configuration_replaces_code()
    {
        await using var app = await TestApp.CreateAsync();
        var mail = new JobLimit("mail") { Queue = "default", Slots = 0 };
        await app.StartAsync(app.Build(b => b.AddLimit(mail).AddLimit(new JobLimit("both") { Queue = "default", Slots = 1 }), settings: Configured));
        var all = await app.Limits.ListAsync();
        Assert.Equal(
            [
                (new JobLimit("api") { Type = "crm.sync", Key = "customer.id", Slots = 3, Rate = new(2.5, TimeSpan.FromMinutes(1)) { Algorithm = RateAlgorithm.SlidingWindow, Cost = "size" } }, LimitOrigin.Configuration),
                (new JobLimit("both") { Queue = "other", Slots = 9 }, LimitOrigin.Configuration),
                (mail, LimitOrigin.Code),
            ],
            all.Select(l => (l.Limit, l.Origin)));
        Assert.All(all, l => Assert.Equal("tests", l.By));
        await app.WorkerAsync(Runs.Done);
        await app.InStateAsync(await app.Jobs.EnqueueAsync(new Work()), JobState.Blocked);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public async Task Start_without_a_change_writes_nothing_and_waits_for_nobody_and_one_with_a_change_sets_it()
    {
        await using var app = await TestApp.CreateAsync();
        var mail = new JobLimit("mail") { Queue = "mail", Rate = new(5, TimeSpan.FromSeconds(1)) };
        await app.StartAsync(app.Build(b => b.AddLimit(mail)));
        var before = await RowAsync(app);
        await using (var connection = await app.ConnectAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using var hold = new Npgsql.NpgsqlCommand("select pg_advisory_xact_lock_shared(hashtextextended($1, 0))", connection, transaction) { Parameters = { new() { Value = app.Schema + ".limits" } } };
            await hold.ExecuteNonQueryAsync(); // as a claim does
            await app.StartAsync(app.Build(b => b.AddLimit(mail))).InTimeAsync();
        }

        Assert.Equal(before, await RowAsync(app));
        await app.StartAsync(app.Build(b => b.AddLimit(mail with { Slots = 7 })));
        Assert.Equal(7, Assert.Single(await app.Limits.ListAsync()).Limit.Slots);
    }

    [Fact]
    public async Task What_an_operator_sets_wins_until_it_is_removed()
    {
        await using var app = await TestApp.CreateAsync();
        var mail = new JobLimit("mail") { Queue = "mail", Slots = 5 };
        await app.StartAsync(app.Build(b => b.AddLimit(mail)));
        await app.Limits.SetAsync(mail with { Slots = 1 });
        await app.StartAsync(app.Build(b => b.AddLimit(mail with { Slots = 6 })));
        var limit = Assert.Single(await app.Limits.ListAsync());
        Assert.Equal((1, LimitOrigin.Operator), (limit.Limit.Slots, limit.Origin));
        Assert.Single(app.Log.Of(1221));
        await app.Limits.RemoveAsync("mail");
        await app.StartAsync(app.Build(b => b.AddLimit(mail with { Slots = 6 })));
        limit = Assert.Single(await app.Limits.ListAsync());
        Assert.Equal((6, LimitOrigin.Code), (limit.Limit.Slots, limit.Origin));
    }

    [Fact]
    public async Task All_faults_of_declared_limits_are_listed_at_once_when_the_host_starts()
    {
        await using var app = await TestApp.CreateAsync();
        var host = app.Build(b => b.AddLimit(new JobLimit("a b") { Queue = "x", Slots = 1 }).AddLimit(new JobLimit("twice") { Queue = "x", Slots = 1 }).AddLimit(new JobLimit("twice") { Queue = "x", Slots = -1 }),
            o => o.AppName = "", settings: new()
            {
                ["Jobs:Limits:words:Queue"] = "x", ["Jobs:Limits:words:Slots"] = "many", ["Jobs:Limits:words:Tokens"] = "few", ["Jobs:Limits:words:Algorithm"] = "lucky", ["Jobs:Limits:words:Slot"] = "1",
                ["Jobs:Limits:nobody:Slots"] = "1", ["Jobs:Limits:rate:Queue"] = "x", ["Jobs:Limits:rate:PerSeconds"] = "5", ["Jobs:Limits:long:Queue"] = "x", ["Jobs:Limits:long:Tokens"] = "1", ["Jobs:Limits:long:PerSeconds"] = "NaN",
            });
        var faults = (await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync())).Failures.ToList();
        foreach (var expected in new[]
        {
            "JobsOptions.AppName is empty", "AddLimit: the limit \"a b\"", "AddLimit: there are two limits of the name \"twice\"", "AddLimit: the limit \"twice\" is not allowed: -1 slots",
            "The configuration value Jobs:Limits:words:Slots is \"many\"", "The configuration value Jobs:Limits:words:Tokens is \"few\"",
            "The configuration value Jobs:Limits:words:Algorithm is \"lucky\"", "Jobs:Limits:words:Slot means nothing; did you mean Slots?", "Jobs:Limits:nobody: the limit \"nobody\" is not allowed: it names no queue",
            "Jobs:Limits:rate: there is no rate for PerSeconds", "Jobs:Limits:long:PerSeconds NaN",
        })
        {
            Assert.Contains(faults, f => f.StartsWith(expected, StringComparison.Ordinal));
        }

        Assert.Equal(11, faults.Count);
        Assert.Empty(await app.Limits.ListAsync());
        await ((IAsyncDisposable)host).DisposeAsync();
    }

    [Fact]
    public async Task Reload_of_the_configuration_changes_the_limits_that_it_changes_and_one_with_faults_none()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.StartAsync(app.Build(b => b.AddLimit(new JobLimit("code") { Queue = "default", Slots = 1 }), settings: Configured));
        await app.SqlAsync("update jobs.limit_rule set slots = 77 where name in ('code', 'api')"); // as a newer process may have declared them
        var configuration = (IConfigurationRoot)host.Services.GetRequiredService<IConfiguration>();
        configuration["Jobs:Limits:both:Slots"] = "-1";
        configuration.Reload();
        await app.LoggedAsync(1222);
        configuration["Jobs:Limits:both:Slots"] = "10";
        configuration.Reload();
        await Eventually.SeeAsync(() => app.Limits.ListAsync(), all => all.Single(l => l.Limit.Name == "both").Limit.Slots == 10, "the limit is changed", app.Log.Tail);
        Assert.Equal([77, 10, 77], (await app.Limits.ListAsync()).Select(l => l.Limit.Slots));
    }

    private static Task<string> RowAsync(TestApp app) => app.ScalarAsync<string>("select r.xmin::text || r::text from jobs.limit_rule r");
}
