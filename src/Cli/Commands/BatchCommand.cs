using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs batch ID`: how far a batch is.</summary>
internal static class BatchCommand
{
    public static Command Create(Target target)
    {
        var id = Values.Argument<JobId>("ID", "the batch's id", text => JobId.Parse(text));
        var command = new Command("batch", "Show how far a batch is") { id };
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(id), ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, JobId id, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var batch = await platform.GetRequiredService<IJobClient>().GetBatchAsync(id, ct)
            ?? throw new JobsException($"There is no batch {id} in schema \"{target.Schema(parsed)}\"; the id is the one that CreateBatchAsync returned.");
        var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
        target.Output(parsed).Write(
            new
            {
                id = batch.Id.Value,
                total = batch.Total,
                done = batch.Done,
                succeeded = batch.Succeeded,
                failed = batch.Failed,
                live = batch.Live,
                createdAt = batch.CreatedAt,
                sealedAt = batch.SealedAt,
                failedAt = batch.FailedAt,
                completedAt = batch.CompletedAt,
            },
            screen => Show(screen, batch, now));
        return ExitCode.Done;
    }

    private static void Show(IAnsiConsole screen, BatchInfo batch, DateTimeOffset now)
    {
        var sheet = new Sheet().Add("jobs", right: true).Add("succeeded", right: true).Add("failed", right: true).Add("live", right: true).Add("created").Add("sealed").Add("completed");
        sheet.Row(
            Cell.Of(batch.Total),
            Cell.Of(batch.Succeeded, Styles.Good),
            Cell.Of(batch.Failed, Styles.Bad),
            Cell.Of(batch.Live, Styles.Busy),
            Plain.Relative(batch.CreatedAt, now),
            batch.SealedAt is { } sealedAt ? Plain.Relative(sealedAt, now) : new Cell("no: jobs may be added", Styles.Faint),
            batch.CompletedAt is { } completed ? Plain.Relative(completed, now) : new Cell("-", Styles.Faint));
        sheet.WriteTo(screen);
    }
}
