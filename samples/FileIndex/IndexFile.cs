using Jobs;

namespace FileIndex;

/// <summary>The job: index this file.</summary>
[Job("files.index", Queue = "files")]
public sealed record IndexFile(string Path);

/// <summary>Runs it. A run may be the second one for a file (the first one's worker was killed), so what it stores replaces what is there.</summary>
internal sealed class IndexFileHandler(ResultTable results) : IJobOutcomeHandler<IndexFile>
{
    public async Task<JobOutcome> HandleAsync(IndexFile job, JobContext context, CancellationToken ct)
    {
        await results.NoteRunAsync(job.Path, context, ct);
        try
        {
            var facts = await FileFacts.ReadAsync(job.Path, ct);
            await results.StoreAsync(job.Path, facts, context, ct);
            return JobOutcome.WithResult(facts);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return JobOutcome.FailNow(e.Message); // gone or forbidden: trying again would not help. Any other exception is tried again
        }
    }
}
