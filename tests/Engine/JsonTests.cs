using System.Text.Json;
using System.Text.Json.Serialization;

namespace Jobs.Tests.Engine;

internal sealed record Answer(int Number);

[JsonSerializable(typeof(Work))]
[JsonSerializable(typeof(Answer))]
internal sealed partial class KnownTypes : JsonSerializerContext;

/// <summary>Arguments and results without reflection: what the source-generated context knows, and nothing else.</summary>
public sealed class JsonTests
{
    private static readonly Action<JobsOptions> NoReflection = o =>
        o.Json = new JsonSerializerOptions(JsonSerializerDefaults.Web) { TypeInfoResolver = KnownTypes.Default };

    [Fact]
    public async Task Source_generated_context_writes_and_reads_arguments_and_results()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.WorkerAsync((job, _, _) => Task.FromResult(JobOutcome.WithResult(new Answer(job.Number + 1))), options: NoReflection);
        var jobs = (IJobClient)host.Services.GetService(typeof(IJobClient))!;
        await jobs.EnqueueManyAsync([new Work(1)]);
        var ended = await app.EndedAsync(await jobs.EnqueueAsync(new Work(41, "ä")));
        Assert.Equal(("""{"number":41,"text":"\u00E4"}""", """{"number":42}"""), (ended.Arguments, ended.Result));
        await app.AllEndedAsync(2);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Type_that_the_context_does_not_know_is_refused_at_the_call_and_fails_an_attempt()
    {
        await using var app = await TestApp.CreateAsync();
        var host = await app.WorkerAsync(Runs.That(JobOutcome.WithResult(new Other(1))), options: NoReflection, more: w => w.HandleOutcome<Other, OtherHandler>());
        var jobs = (IJobClient)host.Services.GetService(typeof(IJobClient))!;
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => jobs.EnqueueAsync(new Other()));
        Assert.Contains(nameof(Other), error.Message, StringComparison.Ordinal);
        Assert.Equal(0, await app.LiveAsync());

        var arguments = await app.InStateAsync(await app.Jobs.EnqueueAsync(new Other()), JobState.Scheduled);
        Assert.Contains("do not fit Other", Assert.Single(arguments.Errors).Message, StringComparison.Ordinal);
        var result = await app.InStateAsync(await jobs.EnqueueAsync(new Work()), JobState.Scheduled);
        Assert.Contains("Other", Assert.Single(result.Errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clr_names_are_not_stored()
    {
        await using var app = await TestApp.CreateAsync();
        await app.WorkerAsync(Runs.That(JobOutcome.WithResult(new Answer(1))));
        var id = await app.Jobs.EnqueueAsync(new Work(1, "text"));
        await app.EndedAsync(id);
        var row = await app.ScalarAsync<string>("select h::text from jobs.history h where id = $1", id.Value);
        Assert.DoesNotContain("Jobs.", row, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(nameof(Answer), row, StringComparison.OrdinalIgnoreCase);
    }
}
