namespace Jobs.Tests.Engine;

/// <summary>Actions on many jobs at once, and values that break a rule.</summary>
public sealed class ControlFilterTests
{
    [Fact]
    public async Task Filter_is_followed_page_after_page_and_progress_is_told()
    {
        await using var app = await TestApp.CreateAsync();
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 2500).Select(n => new Work(n)), w => new() { Delay = w.Number % 5 == 0 ? TimeSpan.FromHours(1) : null });
        await app.Jobs.EnqueueManyAsync(Enumerable.Range(0, 30).Select(n => new Other(n)));
        var progress = new Steps();
        var filter = new JobFilter { Type = "test.work", State = JobState.Queued };
        Assert.Equal(2000, (await app.Operator.SetPriorityAsync(filter, 24, dryRun: true)).Counts[ActOutcome.Done]);
        Assert.Equal(2530, await app.ScalarAsync<long>("select count(*) from jobs.job where priority = 16 and events is null"));
        Assert.Equal(2000, (await app.Operator.SetPriorityAsync(filter, 24, progress: progress)).Done);
        Assert.Equal([1000, 2000, 2000], progress.Seen);
        Assert.Equal(2000, await app.ScalarAsync<long>("select count(*) from jobs.job where priority = 24 and dispatch = 2 and type = 'test.work' and state = 'queued'"));
        Assert.Equal(530, await app.ScalarAsync<long>("select count(*) from jobs.job where priority = 16 and dispatch = 1 and events is null"));

        var where = new JobFilter { Where = new Dictionary<string, string>(StringComparer.Ordinal) { ["number"] = "7" } };
        Assert.Equal(2, (await app.Operator.CancelAsync(where)).Done);
        Assert.Equal(500, (await app.Operator.MoveAsync(new() { State = JobState.Scheduled }, new() { Delay = TimeSpan.Zero })).Done);
        Assert.Equal(29, (await app.Operator.DeleteAsync(new() { Type = "test.other", State = JobState.Queued })).Done);
        Assert.Equal(2499, (await app.Operator.CancelAsync(new())).Done);
        Assert.Equal((0, 2501), (await app.LiveAsync(), await app.EndedAsync()));
        Assert.Equal(2501, (await app.Operator.DeleteAsync(new() { State = JobState.Cancelled })).Done);
    }

    [Fact]
    public async Task Values_that_break_a_rule_are_named_and_change_nothing()
    {
        await using var app = await TestApp.CreateAsync();
        var id = await app.Jobs.EnqueueAsync(new Work());
        var before = await app.RowAsync(id);
        var all = new JobFilter();
        await SaysAsync("the filter asks for state failed", () => app.Operator.CancelAsync(new() { State = JobState.Failed }));
        await SaysAsync("the filter asks for the time of an end", () => app.Operator.MoveAsync(new() { EndedFrom = DateTimeOffset.UnixEpoch }, new() { Queue = "x" }));
        await SaysAsync("neither a queue nor a time", () => app.Operator.MoveAsync(all, new()));
        await SaysAsync("Delay and RunAt are both set", () => app.Operator.MoveAsync(all, new() { Delay = TimeSpan.Zero, RunAt = DateTimeOffset.UnixEpoch }));
        await SaysAsync("The delay -00:00:01 is not allowed", () => app.Operator.MoveAsync(all, new() { Delay = TimeSpan.FromSeconds(-1) }));
        await SaysAsync("state queued have nothing to be tried again", () => app.Operator.RetryAsync(new() { State = JobState.Queued }));
        await SaysAsync("asks for state cancelled", () => app.Operator.RedriveAsync(new() { State = JobState.Cancelled }));
        await SaysAsync("The rate 0 is not allowed", () => app.Operator.RedriveAsync(all, new() { Rate = 0 }));
        await SaysAsync("The rate NaN is not allowed", () => app.Operator.RedriveAsync(all, new() { Rate = double.NaN }));
        await SaysAsync("The reason has 201 characters", () => app.Operator.CancelAsync(all, new() { Reason = new string('x', 201) }));
        await SaysAsync("The name of who does it is empty", () => app.Operator.DeleteAsync(all, new() { By = " " }));
        await SaysAsync("The filter names 1001 jobs", () => app.Operator.CancelAsync(new() { Ids = [.. Enumerable.Repeat(id, 1001)] }));
        Assert.Equal(before, await app.RowAsync(id));
        Assert.Contains("There is no redrive", (await Assert.ThrowsAsync<JobsException>(() => app.Operator.UndoRedriveAsync(id))).Message, StringComparison.Ordinal);
    }

    private static async Task SaysAsync(string words, Func<Task> call) =>
        Assert.Contains(words, (await Assert.ThrowsAnyAsync<ArgumentException>(call)).Message, StringComparison.Ordinal);

    private sealed class Steps : IProgress<long>
    {
        public List<long> Seen { get; } = [];

        public void Report(long value) => Seen.Add(value);
    }
}
